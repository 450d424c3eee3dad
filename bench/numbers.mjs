/** A count: `12,345`. */
export function whole(value) {
  return Number.isFinite(value) ? Math.round(value).toLocaleString('en-US') : '–';
}

/** Milliseconds with as many decimals as mean something: `0.421`, `12.3`, `1,234`. */
export function milliseconds(value) {
  if (!Number.isFinite(value)) return '–';
  return value < 10 ? value.toFixed(2) : value < 100 ? value.toFixed(1) : whole(value);
}

/** A ratio: `2.31`. */
export function factor(value) {
  return Number.isFinite(value) ? value.toFixed(2) : '–';
}

/** A share: `62 %`. */
export function percent(value) {
  return Number.isFinite(value) ? `${Math.round(value * 100)} %` : '–';
}
