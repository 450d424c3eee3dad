import { setImmediate as nextTurn } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { type SignalInbox, type Store } from '#store';
import { type ClaimedRun } from '#tasks';
import { RunSignals } from './run-signals.js';
import { type Rest, RunWaits } from './run-waits.js';

/** The signals of a task whose database answers when the test says so; `came` are the names in order, none of them taken. */
function inbox(came: string[], { held = false } = {}) {
  const waits = new RunWaits();
  const rests: Rest[] = [];
  const answers: (() => void)[] = [];
  const reads: number[] = [];
  waits.whenResting((rest) => rests.push(rest));
  const read = async (_: unknown, __: unknown, after: number): Promise<SignalInbox> => {
    reads.push(after);
    const waiting = came.map((name, i) => ({ name, ordinal: i + 1 })).slice(after);
    const count = came.length;
    if (held) await new Promise<void>((resolve) => answers.push(resolve));
    return { count, waiting };
  };
  const store = { signals: { inbox: read } } as unknown as Store;
  return { signals: new RunSignals({} as ClaimedRun, store, waits), waits, rests, reads, answers };
}

async function turns(): Promise<void> {
  for (let i = 0; i < 3; i++) await nextTurn();
}

describe(RunSignals, () => {
  it('gives each signal to one call, the oldest of the name first, and reads on from where it was', async () => {
    const came = ['a', 'b', 'a'];
    const { signals, waits, reads } = inbox(came);
    const taken = await Promise.all(['a', 'a', 'b'].map((name) => signals.next(waits.handler, name)));
    expect(taken).toEqual([1, 3, 2]);
    came.push('c');
    expect(await signals.next(waits.handler, 'c')).toBe(4);
    expect(reads.at(-1)).toBe(3);
    expect(signals.seen).toBe(4);
  });

  it('wakes a call that waits when it is told of a signal, and looks again when told during a read', async () => {
    const came: string[] = [];
    const { signals, waits, answers } = inbox(came, { held: true });
    waits.beginStep();
    const waiting = signals.next(waits.handler, 'a');
    await turns();
    // The database has looked already, and its answer is on its way.
    came.push('a');
    const told = signals.hear();
    for (let read = 0; read < 2; read++) {
      answers[read]!();
      await turns();
    }
    await told;
    expect(await waiting).toBe(1);
    waits.stop();
  });

  it('has seen no more when the run rests than those who wait have been shown', async () => {
    const came: string[] = [];
    const { signals, waits, rests, answers } = inbox(came, { held: true });
    void signals.next(waits.handler, 'a');
    answers[0]!();
    await new Promise<void>((resolve) => {
      const listening = () => (waits.listens ? resolve() : void Promise.resolve().then(listening));
      listening();
    });
    came.push('a');
    const told = signals.refresh();
    await turns();
    expect(rests).toEqual([{ due: undefined, listens: true }]);
    answers[1]!();
    await told;
    expect(signals.seen).toBe(0);
  });

  it('takes a signal that nobody told of when the time of the wait is over', async () => {
    const came: string[] = [];
    const { signals, waits } = inbox(came);
    waits.beginStep();
    const waiting = signals.next(waits.handler, 'a', { due: 1, ms: 1 });
    came.push('a');
    expect(await waiting).toBe(1);
    expect(await signals.next(waits.handler, 'a', { due: 1, ms: 0 })).toBeUndefined();
    waits.stop();
  });
});
