import { describe, expect, it } from 'vitest';
import { chaosOptions } from './chaos-options.js';
import { kindsOf } from './fault-schedule.js';

describe('the options of the suite', () => {
  it('are a minute of everything without Redis under a random seed', () => {
    expect(chaosOptions([], 42)).toMatchObject({
      mode: 'postgres',
      seed: 42,
      durationMs: 60_000,
      kinds: kindsOf('postgres'),
      webhookShare: 50,
      tasks: undefined,
    });
  });

  it('have a number of tasks, each with webhooks, in place of a time', () => {
    const options = chaosOptions(['--webhooks', '--tasks', '2000'], 42);
    expect(options).toMatchObject({ tasks: 2_000, webhookShare: 100 });
    expect(options.durationMs).toBeGreaterThan(600_000);
  });

  it('are taken as they are given', () => {
    const args = [
      '--mode',
      'redis',
      '--minutes',
      '0.5',
      '--seed',
      '0',
      '--faults',
      'redis-flush,kill',
      '--every',
      '20s',
    ];
    expect(chaosOptions(args, 42)).toMatchObject({
      mode: 'redis',
      seed: 0,
      durationMs: 30_000,
      everyMs: 20_000,
      kinds: ['redis-flush', 'kill'],
    });
  });

  it.each([
    [['--mode', 'both'], '--mode both'],
    [['--minutes', '0'], '--minutes 0'],
    [['--seed', 'x'], '--seed x'],
    [['--clients', '-1'], '--clients'],
    [['--tasks', '0'], '--tasks 0'],
    [['--faults', 'kill,redis-flush'], '--faults redis-flush'],
    [['--nonsense'], '--nonsense'],
  ])('are refused by name: %j', (args, name) => {
    expect(() => chaosOptions(args, 42)).toThrow(name);
  });
});
