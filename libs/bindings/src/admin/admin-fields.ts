import { parseDuration } from '#platform';
import { A2AError, jsonViolation } from '#protocol';
import { clipped } from '../client-error.js';

/** The fields of an operator's request, from its query (texts) or its body (JSON). Each reader throws A2AError INVALID_PARAMS. */
export class AdminFields {
  private constructor(
    private readonly values: Readonly<Record<string, unknown>>,
    private readonly path: string,
  ) {}

  /** The fields of a query. Each may stand there once; others than `known` are refused. */
  static ofQuery(url: string, known: readonly string[]): AdminFields {
    const start = url.indexOf('?');
    const values = Object.create(null) as Record<string, string>;
    for (const [name, value] of new URLSearchParams(start < 0 ? '' : url.slice(start + 1))) {
      if (Object.hasOwn(values, name)) throw A2AError.invalidParams(clipped(name), 'is given more than once');
      values[name] = value;
    }
    return AdminFields.of(values, known, '');
  }

  /** The fields of a JSON object; others than `known` are refused. */
  static of(json: unknown, known: readonly string[], path: string): AdminFields {
    const violation = jsonViolation(json, path);
    if (violation) throw A2AError.invalidParams([violation]);
    if (typeof json !== 'object' || json === null || Array.isArray(json)) {
      throw A2AError.invalidParams(path, 'must be a JSON object');
    }
    const unknown = Object.keys(json).find((name) => !known.includes(name));
    const fields = new AdminFields(json as Record<string, unknown>, path);
    if (unknown === undefined) return fields;
    throw A2AError.invalidParams(fields.pathOf(clipped(unknown)), `is not known here; there are ${known.join(', ')}`);
  }

  has(name: string): boolean {
    return this.value(name) !== undefined;
  }

  /** Any JSON value. */
  value(name: string): unknown {
    return Object.hasOwn(this.values, name) ? this.values[name] : undefined;
  }

  object(name: string, known: readonly string[]): AdminFields | undefined {
    return this.has(name) ? AdminFields.of(this.value(name), known, this.pathOf(name)) : undefined;
  }

  text(name: string, maxLength: number): string | undefined {
    const value = this.value(name);
    if (value === undefined) return undefined;
    if (typeof value === 'string' && value.length >= 1 && value.length <= maxLength) {
      const violation = jsonViolation(value, this.pathOf(name));
      if (!violation) return value;
      throw A2AError.invalidParams([violation]);
    }
    throw this.invalid(name, `must be a text of 1 to ${maxLength} characters`);
  }

  oneOf<T extends string>(name: string, options: readonly T[]): T | undefined {
    const value = this.value(name);
    if (value === undefined) return undefined;
    const option = options.find((candidate) => candidate === value);
    return option ?? this.refuse(name, `must be one of ${options.join(', ')}`);
  }

  flag(name: string): boolean {
    const value = this.value(name);
    if (value === undefined) return false;
    if (value === true || value === 'true') return true;
    if (value === false || value === 'false') return false;
    return this.refuse(name, 'must be true or false');
  }

  integer(name: string, min: number, max: number): number | undefined {
    const value = this.value(name);
    if (value === undefined) return undefined;
    const number = typeof value === 'string' && /^\d{1,10}$/.test(value) ? Number(value) : value;
    if (Number.isInteger(number) && (number as number) >= min && (number as number) <= max) return number as number;
    return this.refuse(name, `must be a whole number from ${min} to ${max}`);
  }

  /** Milliseconds of a duration such as `10m`, at most ten years. */
  durationMs(name: string): number | undefined {
    const value = this.value(name);
    if (value === undefined) return undefined;
    const ms = typeof value === 'string' ? msOf(value) : undefined;
    return ms ?? this.refuse(name, 'must be a duration such as 90s, 15m, 24h or 7d, at most ten years');
  }

  /** A list of 1 to `max` texts, each of which `isValid`. */
  texts(name: string, max: number, isValid: (text: string) => boolean, wanted: string): string[] | undefined {
    const value = this.value(name);
    if (value === undefined) return undefined;
    if (!Array.isArray(value) || value.length < 1 || value.length > max) {
      return this.refuse(name, `must be a list of 1 to ${max}`);
    }
    const wrong = value.findIndex((item) => typeof item !== 'string' || !isValid(item));
    return wrong < 0 ? (value as string[]) : this.refuse(`${name}[${wrong}]`, wanted);
  }

  /** Throws that the field is not as it has to be. */
  refuse(name: string, fact: string): never {
    throw this.invalid(name, fact);
  }

  private invalid(name: string, fact: string): A2AError {
    return A2AError.invalidParams(this.pathOf(name), fact);
  }

  private pathOf(name: string): string {
    return this.path === '' ? name : `${this.path}.${name}`;
  }
}

const TEN_YEARS_MS = 3_653 * 86_400_000;

function msOf(text: string): number | undefined {
  try {
    const ms = parseDuration(text);
    return ms <= TEN_YEARS_MS ? ms : undefined;
  } catch {
    return undefined;
  }
}
