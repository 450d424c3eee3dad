import { setImmediate as nextTurn } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { type Rest, RunWaits } from './run-waits.js';

function watched(): { waits: RunWaits; rests: (Rest | undefined)[]; turns: () => Promise<void> } {
  const waits = new RunWaits();
  const rests: (Rest | undefined)[] = [];
  waits.whenResting((rest) => rests.push(rest));
  const turns = async () => {
    await nextTurn();
    await nextTurn();
  };
  return { waits, rests, turns };
}

describe(RunWaits, () => {
  it('rests until the first of the times when all strands wait', async () => {
    const { waits, rests, turns } = watched();
    const [a, b] = waits.split(waits.handler, 2);
    void waits.sleep(a!, 9_000, 60_000);
    await turns();
    expect(rests).toEqual([]);
    void waits.sleep(b!, 5_000, 60_000);
    await turns();
    expect(rests).toEqual([{ due: new Date(5_000), listens: false }]);
  });

  it('does not rest while a step is under way, unless it pauses', async () => {
    const { waits, rests, turns } = watched();
    void waits.sleep(waits.handler, 9_000, 60_000);
    waits.beginStep();
    await turns();
    expect(rests).toEqual([]);
    void waits.pauseStep(waits.handler, 4_000, 60_000);
    await turns();
    expect(rests).toEqual([{ due: new Date(4_000), listens: false }]);
  });

  it('lets what follows a step at once begin before it rests', async () => {
    const { waits, rests, turns } = watched();
    void waits.sleep(waits.handler, 9_000, 60_000);
    waits.beginStep();
    waits.endStep();
    await Promise.resolve().then(() => waits.beginStep());
    await turns();
    expect(rests).toEqual([]);
    waits.stop();
  });

  it('hears a failure before it rests, and drops the strands beside it', async () => {
    const { waits, rests, turns } = watched();
    const [a, b] = waits.split(waits.handler, 2);
    const [inner] = waits.split(a!, 1);
    void waits.sleep(inner!, 5_000, 60_000);
    waits.leave(b!);
    const heard = new Promise<void>((resolve) =>
      waits.whenQuiet(waits.handler, () => {
        waits.join(waits.handler, [a!, b!]);
        resolve();
      }),
    );
    await heard;
    void waits.sleep(waits.handler, 9_000, 60_000);
    await turns();
    expect(rests).toEqual([{ due: new Date(9_000), listens: false }]);
  });

  it('wakes nobody after its end, and fails what still sleeps with the reason', async () => {
    const { waits, rests, turns } = watched();
    waits.beginStep();
    const sleeping = waits.sleep(waits.handler, 5_000, 60_000);
    waits.stop(new Error('canceled'));
    await expect(sleeping).rejects.toThrow('canceled');
    void waits.sleep(waits.handler, 5_000, 0);
    waits.endStep();
    await turns();
    expect(rests).toEqual([]);
  });

  it('rests for a signal alone, or for a signal and the first of the times', async () => {
    const alone = watched();
    void alone.waits.listen(alone.waits.handler, 'go');
    await alone.turns();
    expect(alone.rests).toEqual([{ due: undefined, listens: true }]);

    const { waits, rests, turns } = watched();
    const [a, b] = waits.split(waits.handler, 2);
    void waits.listen(a!, 'go', { due: 7_000, ms: 60_000 });
    await turns();
    expect(rests).toEqual([]);
    void waits.sleep(b!, 9_000, 60_000);
    await turns();
    expect(rests).toEqual([{ due: new Date(7_000), listens: true }]);
  });

  it('wakes the one who has waited longest for a signal of that name, and no other', async () => {
    const { waits, rests, turns } = watched();
    const [a, b, c] = waits.split(waits.handler, 3);
    const woken: string[] = [];
    for (const [strand, name] of [
      [a!, 'go'],
      [b!, 'stop'],
      [c!, 'go'],
    ] as const) {
      void waits.listen(strand, name).then((signal) => woken.push(`${name} ${signal}`));
    }
    expect(waits.hear('other', 1)).toBe(false);
    expect(waits.hear('go', 2)).toBe(true);
    await turns();
    expect(woken).toEqual(['go 2']);
    // The first is at work again.
    expect(rests).toEqual([]);
    expect([waits.hear('go', 3), waits.hear('go', 4)]).toEqual([true, false]);
    await turns();
    expect(woken).toEqual(['go 2', 'go 3']);
    waits.stop();
  });

  it('lets a wait end with its time, while somebody works', async () => {
    const { waits, rests, turns } = watched();
    waits.beginStep();
    expect(await waits.listen(waits.handler, 'go', { due: 1, ms: 1 })).toBeUndefined();
    expect(waits.listens).toBe(false);
    waits.endStep();
    await turns();
    expect(rests).toEqual([]);
  });

  it('does not rest for a signal while a question is asked, or a step is under way', async () => {
    const { waits, rests, turns } = watched();
    void waits.listen(waits.handler, 'go');
    waits.beginStep();
    const asked = waits.ask(() => Promise.resolve('answer'));
    await turns();
    expect(rests).toEqual([]);
    waits.endStep();
    expect(await asked).toBe('answer');
    await turns();
    expect(rests).toEqual([{ due: undefined, listens: true }]);
  });

  it('hears nothing for branches that are dropped, or after its end', async () => {
    const { waits } = watched();
    const [a, b] = waits.split(waits.handler, 2);
    void waits.listen(a!, 'go');
    void waits.listen(waits.handler, 'go');
    waits.leave(b!);
    waits.join(waits.handler, [a!, b!]);
    expect([waits.hear('go', 1), waits.hear('go', 2)]).toEqual([true, false]);
    const waiting = waits.listen(waits.handler, 'go');
    waits.stop(new Error('canceled'));
    expect(waits.hear('go', 3)).toBe(false);
    await expect(waiting).rejects.toThrow('canceled');
  });
});
