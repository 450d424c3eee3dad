import { describe, expect, it } from 'vitest';
import { type StepOptions } from './agent-task.js';
import { stepPolicy } from './step-policy.js';

describe(stepPolicy, () => {
  it('calls once and without a limit where nothing is said', () => {
    const retry = { attempts: 1, initialDelayMs: 1_000, maxDelayMs: 60_000 };
    expect(stepPolicy({})).toEqual({ policy: { retry, timeoutMs: undefined }, problems: [] });
  });

  it('calls three times where a retry is asked for', () => {
    expect(stepPolicy({ retry: {} }).policy.retry).toMatchObject({ attempts: 3 });
  });

  it('moves the default of one delay, so that the other counts', () => {
    expect(stepPolicy({ retry: { initialDelay: '5m' } }).policy.retry.maxDelayMs).toBe(300_000);
    expect(stepPolicy({ retry: { maxDelay: 10 } }).policy.retry.initialDelayMs).toBe(10);
  });

  it('names every option that is wrong', () => {
    const wrong = { retry: { attempts: 0, initialDelay: '2m', maxDelay: '1m', tries: 1 }, timeout: 'soon', name: 'x' };
    expect(stepPolicy(wrong as StepOptions).problems).toEqual([
      'name is not known here; there are retry, timeout',
      'retry.tries is not known here; there are attempts, initialDelay, maxDelay',
      'retry.attempts must be a whole number from 1 to 100, not 0',
      'retry.initialDelay must not be longer than retry.maxDelay',
      'timeout must be a time span from 1ms to 24d such as 250ms, 5s, 10m or 24h, not "soon"',
    ]);
  });
});
