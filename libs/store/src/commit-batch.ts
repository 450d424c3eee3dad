import { type AppendGroup, type NewTask } from './commit-statement.js';
import { type AppendWrite, type Write } from './writes.js';

const MAX_BATCH = 256;
/** Characters in one statement, less those of its last write: what goes to Postgres at once has to fit into memory. */
const MAX_BATCH_LENGTH = 8_000_000;

/** A write that waits for its commit. */
interface Waiting {
  readonly write: Write;
}

/** The waiting appends of one lease, with those who wait for them. */
export interface Group<Item> extends AppendGroup {
  readonly items: Item[];
}

/** How many of the waiting writes, from the first on, the next statement takes. */
export function batchSize(waiting: readonly Waiting[]): number {
  const limit = Math.min(waiting.length, MAX_BATCH);
  let count = 0;
  for (let length = 0; count < limit && length < MAX_BATCH_LENGTH; count++) length += lengthOf(waiting[count]!.write);
  return count;
}

/**
 * The new tasks with what their runs have written since, and the waiting appends of each other lease as one group, in
 * the order in which all committers lock tasks.
 */
export function grouped<Item extends Waiting>(
  items: readonly Item[],
): { readonly newTasks: readonly NewTask[]; readonly groups: readonly Group<Item>[] } {
  const newTasks: NewTask[] = [];
  const begun = new Map<string, NewTask>();
  const groups = new Map<string, Group<Item>>();
  for (const item of items) {
    const { write } = item;
    if (write.kind === 'create') {
      const newTask = { create: write, appends: [] };
      newTasks.push(newTask);
      // The lease that a task is created with has the token 1.
      if (write.leaseOwner !== null) begun.set(leaseKey(write, 1), newTask);
      continue;
    }
    // A run that lost its lease and the run that took over are different groups, even in one flush.
    const key = leaseKey(write, write.token);
    const newTask = begun.get(key);
    if (newTask && follows(write, newTask)) {
      newTask.appends.push(write);
      continue;
    }
    const group = groups.get(key);
    const last = group?.writes.at(-1);
    if (group && last && last.base + last.events.length === write.base) {
      group.writes.push(write);
      group.items.push(item);
    } else {
      // What does not follow is not merged: the fence judges it by itself.
      groups.set(group ? `${key}/${groups.size}` : key, { key, writes: [write], items: [item] });
    }
  }
  return { newTasks, groups: [...groups.values()].sort((a, b) => (a.key < b.key ? -1 : 1)) };
}

/** Whether the write is the next one to a new task. Nothing can have come to it yet but its first message. */
function follows({ base, inputs = 1, signals = 0 }: AppendWrite, { create, appends }: NewTask): boolean {
  const last = appends.at(-1);
  const next = last ? last.base + last.events.length : create.events.length;
  return base === next && inputs === 1 && signals === 0;
}

/** `tenant/task/token`: names one lease. */
function leaseKey({ tenantId, taskId }: Write, token: number): string {
  return `${tenantId}/${taskId}/${token}`;
}

function lengthOf(write: Write): number {
  let length = write.kind === 'create' ? write.message.length : (write.snapshot?.length ?? 0);
  for (const event of write.events) length += event.length;
  if (write.kind === 'create') return length;
  for (const { value } of write.journal ?? []) length += value?.length ?? 0;
  return length;
}
