import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { expect } from 'vitest';
import { type AgentTask } from '#agents';
import { type ActiveRuns } from '../../libs/execution/src/active-runs.js';
import { type Engine } from './engine.js';
import { type TaskTables } from './task-tables.js';

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

/** What an engine keeps in memory of runs that wait. */
export class RunMemory {
  private readonly contexts: WeakRef<object>[] = [];
  private timersBefore = 0;

  constructor(
    private readonly engine: Engine,
    private readonly tables: TaskTables,
  ) {}

  /** Called by a handler: gives its run something of weight, held by the task's signal too. */
  ballast(task: AgentTask): Buffer {
    this.contexts.push(new WeakRef(task));
    const ballast = Buffer.alloc(100_000, task.id);
    task.signal.addEventListener('abort', () => ballast.fill(0));
    return ballast;
  }

  /** Everything is there that stays: timers count from now on. */
  begin(): void {
    this.timersBefore = timers();
  }

  /** Resolves when no run, stream, slot or timer is left, and nothing of the handlers, of which there were more than `count`. */
  async untilReleased(count: number): Promise<void> {
    const { active, pool } = this.engine.execution as unknown as { active: ActiveRuns; pool: { free: number } };
    const { topics } = this.engine.tasks.streams as unknown as { topics: Record<string, unknown> };
    // A run leaves the moment after its task was answered; a job that comes late takes a slot to find nothing to run.
    await this.tables.waitFor(async () =>
      expect([active.size, Object.keys(topics).length, pool.free]).toEqual([0, 0, 100]),
    );
    // The idle connections of the pools have one each.
    expect(timers() - this.timersBefore).toBeLessThan(20);
    await this.tables.waitFor(async () => {
      collectGarbage();
      expect(this.contexts.filter((context) => context.deref() !== undefined)).toEqual([]);
    });
    expect(this.contexts.length).toBeGreaterThan(count);
  }
}

function timers(): number {
  return process.getActiveResourcesInfo().filter((resource) => resource === 'Timeout').length;
}
