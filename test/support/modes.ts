import { describe, inject } from 'vitest';
import { type Config } from '#platform';

/** How queue and signals travel: over Postgres, as by default, or over Redis. */
export type Mode = 'postgres' | 'redis';

/** Declares the same tests for each mode. Where this machine has no Redis, those for Redis are skipped; the run says why. */
export function inEachMode(tests: (mode: Mode) => void): void {
  describe('over Postgres', () => tests('postgres'));
  overRedis(() => tests('redis'));
}

/** Declares tests that only make sense over Redis. */
export function overRedis(tests: () => void): void {
  describe.skipIf(inject('redisUrl') === '')('over Redis', tests);
}

/** Redis, where this machine has it, else Postgres: for the half of a test that is the same in both. The run says which. */
export function redisOrPostgres(): Mode {
  return redisUrl() === '' ? 'postgres' : 'redis';
}

/** URL of the run's Redis. Others use it too: whoever writes to it begins names with a prefix of its own. */
export function redisUrl(): string {
  return inject('redisUrl');
}

/** The settings of a Perdure in that mode; its prefix is its database's name, so that it shares nothing with others. */
export function modeSettings(mode: Mode, databaseUrl: string): Pick<Config, 'redisUrl' | 'redisPrefix'> {
  const redisPrefix = new URL(databaseUrl).pathname.slice(1).replaceAll('/', '.');
  return { redisUrl: mode === 'redis' ? redisUrl() : undefined, redisPrefix };
}

/** The same as variables of a process. */
export function modeVariables(mode: Mode, databaseUrl: string): Record<string, string> {
  const { redisUrl: url = '', redisPrefix } = modeSettings(mode, databaseUrl);
  return { REDIS_URL: url, PERDURE_REDIS_PREFIX: redisPrefix };
}
