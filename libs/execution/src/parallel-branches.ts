import { type RunWaits, type Strand } from './run-waits.js';

/**
 * Runs branches side by side, each on a strand of its own, and resolves with their results in order. When one throws, the
 * others go on until each has ended or waits; then the error of the first in line is thrown.
 */
export function runBranches(
  waits: RunWaits,
  parent: Strand,
  branches: readonly ((strand: Strand) => Promise<unknown>)[],
): Promise<unknown[]> {
  const strands = waits.split(parent, branches.length);
  const outcomes = new Array<PromiseSettledResult<unknown> | undefined>(branches.length);
  return new Promise((resolve, reject) => {
    let left = branches.length;
    let isJoined = false;
    const join = () => {
      if (isJoined) return;
      isJoined = true;
      waits.join(parent, strands);
      const failure = outcomes.find((outcome) => outcome?.status === 'rejected');
      if (failure) reject(failure.reason as Error);
      else resolve(outcomes.map((outcome) => (outcome as PromiseFulfilledResult<unknown>).value));
    };
    const settled = (i: number, outcome: PromiseSettledResult<unknown>) => {
      outcomes[i] = outcome;
      waits.leave(strands[i]!);
      if (--left === 0) join();
      else if (outcome.status === 'rejected') waits.whenQuiet(parent, join);
    };
    if (left === 0) join();
    for (const [i, branch] of branches.entries()) {
      branch(strands[i]!).then(
        (value) => settled(i, { status: 'fulfilled', value }),
        (reason: unknown) => settled(i, { status: 'rejected', reason }),
      );
    }
  });
}
