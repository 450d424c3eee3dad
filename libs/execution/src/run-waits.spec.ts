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
    expect(rests).toEqual([{ due: new Date(5_000) }]);
  });

  it('does not rest while a step is under way, unless it pauses', async () => {
    const { waits, rests, turns } = watched();
    void waits.sleep(waits.handler, 9_000, 60_000);
    waits.beginStep();
    await turns();
    expect(rests).toEqual([]);
    void waits.pauseStep(waits.handler, 4_000, 60_000);
    await turns();
    expect(rests).toEqual([{ due: new Date(4_000) }]);
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
    expect(rests).toEqual([{ due: new Date(9_000) }]);
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
});
