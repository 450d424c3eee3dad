import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { vi } from 'vitest';

const PATIENCE = { timeout: 20_000, interval: 20 };

/**
 * The test's end of the `ledger` and `stubborn` agents: a folder outside of the server in which their steps write down that
 * they ran, and wait at gates which the test opens.
 */
export class Ledger {
  constructor(private readonly folder: string) {
    mkdirSync(folder, { recursive: true });
  }

  /** The message that sends the agent through `steps` steps; at its gates the process `blocked` stands still as a whole. */
  message(steps: number, blocked?: number): { data: { folder: string; steps: number; blocked?: number } } {
    return { data: { folder: this.folder, steps, blocked } };
  }

  /** Lets the steps up to this one pass, now and from now on; with `pid`, in that process only. */
  open(step: number, pid?: number): void {
    const only = pid === undefined ? '' : `-${pid}`;
    for (let i = 1; i <= step; i++) writeFileSync(join(this.folder, `open-${i}${only}`), '');
  }

  /** Resolves when a run stands at the gate of the step; with `pid`, a run of that process. */
  async reached(step: number, pid?: number): Promise<void> {
    const mark = `reached-${step}-${pid ?? ''}`;
    await vi.waitFor(() => {
      if (!readdirSync(this.folder).some((name) => name.startsWith(mark))) throw new Error(`no run is at step ${step}`);
    }, PATIENCE);
  }

  /** The steps that have had their effect, in order, as `step in attempt`. */
  get lines(): string[] {
    try {
      return readFileSync(join(this.folder, 'ledger'), 'utf8').trim().split('\n');
    } catch {
      return [];
    }
  }
}
