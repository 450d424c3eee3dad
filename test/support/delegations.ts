import { type TaskTables } from './task-tables.js';

/** A row of `perdure.task_delegations`, with the columns' own names. */
export interface StoredDelegation {
  readonly id: string;
  readonly state: number;
  readonly peer: string;
  readonly peer_task: string | null;
  readonly outcome: string | null;
  readonly look_at: Date | null;
  readonly is_held: boolean;
  readonly calls_back: boolean;
}

/** What a task has delegated, in order. */
export function delegations(tables: TaskTables, taskId: string): Promise<StoredDelegation[]> {
  return tables.rows('select * from perdure.task_delegations where task_id = $1 order by created_at, id', [taskId]);
}

/** Makes all that is delegated due now. */
export async function lookNow(tables: TaskTables): Promise<void> {
  await tables.rows('update perdure.task_delegations set look_at = now() where look_at is not null and not is_held');
}

/** Puts off the next look at what a task has delegated by an hour, and waits until nobody is at it. */
export async function lookLater(tables: TaskTables, taskId: string): Promise<void> {
  await tables.waitFor(async () => {
    const put = await tables.rows(
      `update perdure.task_delegations set look_at = now() + interval '1 hour'
       where task_id = $1 and look_at is not null and not is_held and peer_task is not null returning id`,
      [taskId],
    );
    if (put.length === 0) throw new Error('nothing waits for its next look');
  });
}

/** Resolves when nobody looks after any delegation of the task any more. */
export async function looked(tables: TaskTables, taskId: string): Promise<void> {
  await tables.waitFor(async () => {
    const open = (await delegations(tables, taskId)).filter(({ look_at }) => look_at !== null);
    if (open.length > 0) throw new Error(`${open.length} delegations are looked after`);
  });
}

/** The id of the peer's task of the only delegation, once it is known. */
export async function peerTask(tables: TaskTables, taskId: string): Promise<string> {
  let id: string | null | undefined;
  await tables.waitFor(async () => {
    [{ peer_task: id }] = (await delegations(tables, taskId)) as [StoredDelegation];
    if (!id) throw new Error('the peer has no task yet');
  });
  return id!;
}
