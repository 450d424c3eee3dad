/** The middle of some numbers; of an even count, the mean of the two in the middle. NaN of none. */
export function median(values) {
  const sorted = Float64Array.from(values).sort();
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/** The smallest value that is not below the given share (0 to 1) of all values. NaN of none. */
export function percentile(values, share) {
  const sorted = Float64Array.from(values).sort();
  return sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)] ?? NaN;
}

/** Smallest, median and largest value. */
export function spread(values) {
  return { min: Math.min(...values), median: median(values), max: Math.max(...values) };
}
