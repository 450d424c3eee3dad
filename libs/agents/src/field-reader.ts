import { parseDuration } from '#platform';

const DAY_MS = 86_400_000;

/** Reads the fields of an author's object one by one and collects what is wrong, each problem with the field's path. */
export class FieldReader {
  private readonly fields: Readonly<Record<string, unknown>>;

  /** `prefix` is the path of the object itself, ending in a dot; an object within another shares its `problems`. */
  constructor(
    object: object,
    known: readonly string[],
    readonly problems: string[] = [],
    private readonly prefix = '',
  ) {
    this.fields = object as Readonly<Record<string, unknown>>;
    for (const key of Object.keys(object)) {
      if (!known.includes(key)) this.problems.push(`${prefix}${key} is not known here; there are ${known.join(', ')}`);
    }
  }

  /** A reader for the object in this field; a reader of nothing when the field is absent or holds no object. */
  object(field: string, known: readonly string[]): FieldReader {
    const value = this.read(field, 'an object', (given) => (isObject(given) ? given : undefined));
    return new FieldReader(value ?? {}, known, this.problems, `${this.prefix}${field}.`);
  }

  /** The text, if it matches; `wanted` says in words what would match. */
  text(field: string, pattern: RegExp, wanted: string): string | undefined {
    return this.read(field, wanted, (value) => (typeof value === 'string' && pattern.test(value) ? value : undefined));
  }

  /** One of the texts. */
  choice<T extends string>(field: string, choices: readonly T[]): T | undefined {
    return this.read(field, `one of ${choices.join(', ')}`, (value) => choices.find((choice) => choice === value));
  }

  /** True or false. */
  flag(field: string): boolean | undefined {
    return this.read(field, 'true or false', (value) => (typeof value === 'boolean' ? value : undefined));
  }

  /** A whole number within the bounds, both included. */
  integer(field: string, min: number, max: number): number | undefined {
    return this.read(field, `a whole number from ${min} to ${max}`, (value) =>
      typeof value === 'number' && Number.isInteger(value) && value >= min && value <= max ? value : undefined,
    );
  }

  /** A time span in milliseconds, from `minMs` to `maxDays`: 24 days is the longest that a timer takes. */
  duration(field: string, minMs: number, maxDays = 24): number | undefined {
    return this.read(field, `a time span from ${minMs}ms to ${maxDays}d such as 250ms, 5s, 10m or 24h`, (value) => {
      const ms = milliseconds(value);
      return ms !== undefined && ms >= minMs && ms <= maxDays * DAY_MS ? ms : undefined;
    });
  }

  /** Checks that the field holds a function, if anything. */
  callable(field: string): void {
    this.read(field, 'a function', (value) => (typeof value === 'function' ? value : undefined));
  }

  /** Whether the field holds anything. */
  has(field: string): boolean {
    return this.fields[field] !== undefined;
  }

  private read<T>(field: string, wanted: string, accept: (value: unknown) => T | undefined): T | undefined {
    const value = this.fields[field];
    if (value === undefined) return undefined;
    const accepted = accept(value);
    if (accepted === undefined) this.problems.push(`${this.prefix}${field} must be ${wanted}, not ${show(value)}`);
    return accepted;
  }
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function milliseconds(value: unknown): number | undefined {
  if (typeof value !== 'string' && typeof value !== 'number') return undefined;
  try {
    return parseDuration(value);
  } catch {
    return undefined;
  }
}

function show(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(value.length > 80 ? `${value.slice(0, 80)}…` : value);
  if (Array.isArray(value)) return 'a list';
  return typeof value === 'object' && value !== null ? 'an object' : String(value).slice(0, 80);
}
