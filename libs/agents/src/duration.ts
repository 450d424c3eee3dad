/** A time span: milliseconds as a number, or a text such as `250ms`, `5s`, `10m`, `24h`, `7d`. */
export type Duration = number | string;
