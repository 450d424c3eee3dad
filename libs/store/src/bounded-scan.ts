/** Rows that one page of an operator's list looks at, at most, whether they fit or not. */
export const SCAN = 5_000;

/** A row that was looked at, with its number among those. */
export interface ScannedRow {
  readonly fits: boolean;
  readonly place: number;
}

/** A part of a list: the rows that fit, and where to go on. It may be short, or empty, and the list go on nevertheless. */
export interface ScanPage<Row, Position> {
  readonly rows: readonly Row[];
  readonly next?: Position;
}

/** What a scan is for, as SQL with its parameters; all conditions hold. */
export class ScanConditions {
  readonly values: unknown[] = [];
  private readonly narrowing = ['true'];
  private readonly passing = ['true'];

  /** A parameter, by its number. */
  value(given: unknown): string {
    return `$${this.values.push(given)}`;
  }

  /** Conditions that an index holds. */
  narrow(...conditions: readonly string[]): void {
    this.narrowing.push(...conditions);
  }

  /** The others: a row that does not fit is passed over, and counted. */
  pass(condition: string): void {
    this.passing.push(condition);
  }

  get scanned(): string {
    return this.narrowing.join(' and ');
  }

  get fits(): string {
    return `(${this.passing.join(' and ')})`;
  }
}

/** The page of up to `limit` rows that fit, from one row more, or from the last one that was looked at. */
export function scanPage<Row extends ScannedRow, Position>(
  rows: readonly Row[],
  limit: number,
  positionOf: (row: Row) => Position,
): ScanPage<Row, Position> {
  const shown = rows.slice(0, limit);
  const last = rows.length > limit ? shown.at(-1) : rows.find(({ place }) => place === SCAN);
  return { rows: shown.filter(({ fits }) => fits), next: last && positionOf(last) };
}
