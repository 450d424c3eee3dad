import { parseDuration } from './duration.js';
import { parseSize } from './size.js';

/** The variables of a process: `process.env` or a plain object in tests. */
export type EnvironmentVariables = Readonly<Record<string, string | undefined>>;

/** One variable that cannot be used: what it holds (never of a secret) and what would be right. */
export interface ConfigProblem {
  readonly variable: string;
  readonly value: string;
  readonly wanted: string;
}

interface Bounds {
  readonly min?: number;
  readonly max?: number;
}

/**
 * Reads variables into typed values and collects what is wrong with them in `problems` instead of throwing, so that
 * one start reports them all. A variable that is unset, empty or blank takes the fallback.
 */
export class Environment {
  readonly problems: ConfigProblem[] = [];

  constructor(private readonly variables: EnvironmentVariables) {}

  /** The trimmed text of a variable, undefined where it is unset or blank. */
  raw(variable: string): string | undefined {
    const value = this.variables[variable]?.trim();
    return value === '' ? undefined : value;
  }

  text(variable: string, fallback: string): string {
    return this.raw(variable) ?? fallback;
  }

  /** Comma separated entries, trimmed, empty ones left out. */
  list(variable: string, fallback: readonly string[]): readonly string[] {
    const entries = (this.raw(variable) ?? '').split(',').map((entry) => entry.trim());
    const filled = entries.filter((entry) => entry !== '');
    return filled.length > 0 ? filled : fallback;
  }

  flag(variable: string, fallback: boolean): boolean {
    return this.choice(variable, ['true', 'false'], fallback ? 'true' : 'false') === 'true';
  }

  choice<T extends string>(variable: string, options: readonly T[], fallback: T): T {
    const value = this.text(variable, fallback);
    const option = options.find((candidate) => candidate === value);
    return option ?? this.refuse(variable, value, `one of ${options.join(', ')}`, fallback);
  }

  integer(variable: string, fallback: number, bounds: Bounds): number {
    const parse = (value: string) => (/^-?\d+$/.test(value) ? Number(value) : NaN);
    return this.bounded(variable, String(fallback), { parse, describe: 'a whole number', bounds });
  }

  /** Milliseconds of a duration such as `5s`; bounds are milliseconds too. */
  duration(variable: string, fallback: string, bounds: Bounds = { min: 1 }): number {
    return this.bounded(variable, fallback, {
      parse: parseDuration,
      describe: 'a duration such as 250ms, 5s, 1m',
      bounds,
    });
  }

  /** Milliseconds of comma separated durations, one at least and `max` at most. */
  durations(variable: string, fallback: string, max: number): readonly number[] {
    const read = (text: string) => text.split(',').map((entry) => attempt(parseDuration, entry));
    const value = this.text(variable, fallback);
    const durations = read(value);
    const isUsable = durations.length <= max && !durations.some(Number.isNaN);
    return isUsable
      ? durations
      : this.refuse(variable, value, `up to ${max} durations such as 0,5s,5m`, read(fallback));
  }

  /** Bytes of a size such as `10mb`; bounds are bytes too. */
  size(variable: string, fallback: string, bounds: Bounds = { min: 1 }): number {
    return this.bounded(variable, fallback, { parse: parseSize, describe: 'a size such as 64kb or 10mb', bounds });
  }

  /** An absolute URL of one of the protocols, without a slash at its end. A secret's value is kept out of the problem. */
  url(variable: string, protocols: readonly string[], options: { secret?: boolean } = {}): string | undefined {
    const value = this.raw(variable);
    if (value === undefined) return undefined;
    const wanted = `a URL that starts with ${protocols.map((protocol) => `${protocol}//`).join(' or ')}`;
    const usable = URL.canParse(value) && protocols.includes(new URL(value).protocol) && new URL(value).host !== '';
    if (!usable) return this.refuse(variable, options.secret ? '(hidden)' : value, wanted, undefined);
    return value.replace(/\/+$/, '');
  }

  /** Notes a problem and gives back the fallback, with which reading goes on. */
  refuse<T>(variable: string, value: string, wanted: string, fallback: T): T {
    this.problems.push({ variable, value, wanted });
    return fallback;
  }

  private bounded(
    variable: string,
    fallback: string,
    kind: { parse: (value: string) => number; describe: string; bounds: Bounds },
  ): number {
    const value = this.text(variable, fallback);
    const { min = 0, max = Number.MAX_SAFE_INTEGER } = kind.bounds;
    const number = attempt(kind.parse, value);
    if (number >= min && number <= max) return number;
    const upTo = max === Number.MAX_SAFE_INTEGER ? '' : `, at most ${max}`;
    return this.refuse(variable, value, `${kind.describe}, at least ${min}${upTo}`, kind.parse(fallback));
  }
}

function attempt(parse: (value: string) => number, value: string): number {
  try {
    return parse(value);
  } catch {
    return NaN;
  }
}
