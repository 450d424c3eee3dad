import { type Agent } from '#agents';

/** Milliseconds before the next attempt: doubles with each failure up to the agent's limit, ±20 % so that retries spread. */
export function retryDelay({ initialDelayMs, maxDelayMs }: Agent['retry'], failures: number): number {
  const delay = Math.min(initialDelayMs * 2 ** Math.min(failures - 1, 40), maxDelayMs);
  return Math.round(delay * (0.8 + 0.4 * Math.random()));
}
