import { type FieldViolation } from './a2a-error.js';
import { elementPath, memberPath } from './json-path.js';

/** How many arrays and objects may stand inside one another, the outermost counted. */
export const MAX_JSON_DEPTH = 64;

const LONE_SURROGATE = /\p{Surrogate}/u;

/**
 * What makes `json` unfit for the server whatever its type: nesting deeper than 64 levels, a NUL character or half of a
 * surrogate pair in a text or key (Postgres stores neither), a value that JSON does not have. The first one found, with its
 * full path below `path`; undefined when there is none. One pass, time linear in the size of `json`.
 */
export function jsonViolation(json: unknown, path = ''): FieldViolation | undefined {
  const found = jsonFault(json, 1);
  return found && violationOf(found, path);
}

/** What is wrong with a value, and where below the root it stands. */
export interface Fault {
  description: string;
  /** Keys and indices from the fault up to the root: nothing is built for the sound values. */
  trail: (string | number)[];
}

/** The fault with its full path below `path`. */
export function violationOf({ description, trail }: Fault, path: string): FieldViolation {
  const field = trail.reduceRight<string>(
    (parent, key) => (typeof key === 'number' ? elementPath(parent, key) : memberPath(parent, key)),
    path,
  );
  return { field, description };
}

/** The first fault of a JSON value that stands inside of `depth - 1` arrays and objects. */
export function jsonFault(value: unknown, depth: number): Fault | undefined {
  switch (typeof value) {
    case 'string':
      return textFault(value);
    case 'number':
      return numberFault(value);
    case 'boolean':
      return undefined;
    case 'object':
      if (value === null) return undefined;
      if (Array.isArray(value)) return depthFault(depth) ?? arrayFault(value, depth);
      return depthFault(depth) ?? objectFault(value as Record<string, unknown>, depth);
    default:
      return fault('is not a JSON value');
  }
}

/** The fault of an array or object that stands inside of `depth - 1` others. */
export function depthFault(depth: number): Fault | undefined {
  return depth > MAX_JSON_DEPTH ? fault(`is nested deeper than ${MAX_JSON_DEPTH} levels`) : undefined;
}

/** The fault of a number. */
export function numberFault(value: number): Fault | undefined {
  return Number.isFinite(value) ? undefined : fault('must be a finite number');
}

function arrayFault(elements: readonly unknown[], depth: number): Fault | undefined {
  for (let index = 0; index < elements.length; index++) {
    const found = jsonFault(elements[index], depth + 1);
    if (found) return below(index, found);
  }
  return undefined;
}

function objectFault(members: Record<string, unknown>, depth: number): Fault | undefined {
  for (const key of Object.keys(members)) {
    const found = textFault(key) ?? jsonFault(members[key], depth + 1);
    if (found) return below(key, found);
  }
  return undefined;
}

/** The fault of a text or key. */
export function textFault(text: string): Fault | undefined {
  if (text.includes('\0')) return fault('contains the character U+0000');
  if (LONE_SURROGATE.test(text)) return fault('contains half of a surrogate pair');
  return undefined;
}

/** A fault of the value at hand. */
export function fault(description: string): Fault {
  return { description, trail: [] };
}

/** The fault as seen from one level further up. */
export function below(key: string | number, found: Fault): Fault {
  found.trail.push(key);
  return found;
}
