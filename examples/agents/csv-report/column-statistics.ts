/** What is known of one column. Plain JSON, so that a step can record it. */
export interface ColumnStatistics {
  /** How many cells hold a value. */
  readonly count: number;
  /** How many cells are empty. */
  readonly missing: number;
  /** How many different values there are. */
  readonly distinct: number;
  /** Of a column whose every value is a number. */
  readonly numbers?: NumberStatistics;
  /** Of any other column: its most frequent values, the most frequent first, equals in the order of the alphabet. */
  readonly top?: readonly { readonly value: string; readonly count: number }[];
}

export interface NumberStatistics {
  readonly min: number;
  readonly max: number;
  readonly mean: number;
  readonly median: number;
  /** Of a sample (divided by n − 1); null for a single number. */
  readonly standardDeviation: number | null;
}

const TOP_VALUES = 5;
// Without an exponent beyond 150, so that squares and their sum stay finite.
const LARGEST_NUMBER = 1e150;

/** The statistics of a column; an empty text is a missing value. */
export function columnStatistics(values: readonly string[]): ColumnStatistics {
  const present = values.filter((value) => value !== '');
  const frequencies = new Map<string, number>();
  for (const value of present) frequencies.set(value, (frequencies.get(value) ?? 0) + 1);
  const counts = { count: present.length, missing: values.length - present.length, distinct: frequencies.size };
  const areNumbers = present.length > 0 && present.every(isNumber);
  return areNumbers
    ? { ...counts, numbers: numberStatistics(present.map(Number)) }
    : { ...counts, top: topValues(frequencies) };
}

/** Decimal notation, with exponent or without. `007` is no number: leading zeros mean a code, such as a postcode. */
function isNumber(value: string): boolean {
  const isDecimal = /^[+-]?(?:0|[1-9]\d*|(?=\.))(?:\.\d+)?(?:e[+-]?\d+)?$/i.test(value);
  return isDecimal && Math.abs(Number(value)) <= LARGEST_NUMBER;
}

function numberStatistics(numbers: number[]): NumberStatistics {
  const sorted = Float64Array.from(numbers).sort();
  const at = (index: number) => sorted[index] ?? NaN;
  const last = sorted.length - 1;
  const mean = sum(sorted) / sorted.length;
  const squares = sum(sorted.map((number) => (number - mean) ** 2));
  return {
    min: at(0),
    max: at(last),
    mean,
    median: (at(Math.floor(last / 2)) + at(Math.ceil(last / 2))) / 2,
    standardDeviation: last > 0 ? Math.sqrt(squares / last) : null,
  };
}

function sum(numbers: Float64Array): number {
  return numbers.reduce((total, number) => total + number, 0);
}

function topValues(frequencies: ReadonlyMap<string, number>) {
  return [...frequencies]
    .map(([value, count]) => ({ value, count }))
    .sort((a, b) => b.count - a.count || (a.value < b.value ? -1 : 1))
    .slice(0, TOP_VALUES);
}
