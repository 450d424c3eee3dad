import { BaseSequencer, type TestSpecification } from 'vitest/node';

/** The files that take longest, longest first; each keeps the processor busy, so that they are few. */
const LONGEST = ['kill-every-commit', 'chaos', 'package', 'first-minutes', 'cli-serve'];

/** Begins with what takes longest, so that no worker is left alone with it at the end; otherwise as Vitest does. */
export class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const sorted = await super.sort(files);
    return sorted.toSorted((a, b) => rank(a) - rank(b));
  }
}

function rank({ moduleId }: TestSpecification): number {
  const found = LONGEST.findIndex((name) => moduleId.endsWith(`/${name}.spec.ts`));
  return found < 0 ? LONGEST.length : found;
}
