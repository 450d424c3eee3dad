const UNITS: Readonly<Record<string, number>> = { b: 1, kb: 1024, mb: 1024 ** 2, gb: 1024 ** 3 };

/**
 * Bytes of a size written as `512b`, `64kb`, `10mb` or `1gb` (1 kb = 1024 bytes, either case); a bare number is bytes.
 * Throws a RangeError that says what is wanted for everything else.
 */
export function parseSize(size: string): number {
  const match = /^(\d{1,15}(?:\.\d{1,9})?)(b|kb|mb|gb)?$/.exec(size.trim().toLowerCase());
  const bytes = match ? Number(match[1]) * (UNITS[match[2] ?? 'b'] ?? NaN) : NaN;
  if (!Number.isSafeInteger(Math.round(bytes))) {
    throw new RangeError(`${JSON.stringify(size)} is not a size such as 512b, 64kb or 10mb`);
  }
  return Math.round(bytes);
}
