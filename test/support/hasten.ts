import { type TaskTables } from './task-tables.js';

/** Moves the time of a task's timer to now: the row, its job, and what the handler has recorded of it. */
export async function hasten(tables: TaskTables, id: string): Promise<void> {
  await tables.rows(
    `update perdure.task_journal set value = case kind
       when 'retry' then jsonb_set(value::jsonb, '{due}', to_jsonb(now()))::text
       else to_json(now())::text end
     where task_id = $1 and kind in ('sleep', 'timeout', 'retry')`,
    [id],
  );
  await tables.rows('update perdure.tasks set run_at = now() where id = $1 and lease_owner is null', [id]);
  await tables.rows('update perdure.outbox set run_at = now() where task_id = $1', [id]);
}

/** Resolves when the task's run has ended and left a timer behind, of longer than the pause between two quick attempts. */
export async function asleep(tables: TaskTables, ...ids: string[]): Promise<void> {
  await tables.waitFor(async () => {
    const awake = await tables.rows(
      `select id from perdure.tasks where id = any($1)
       and (lease_owner is null and run_at > now() + interval '1 s') is not true`,
      [ids],
    );
    if (awake.length > 0) throw new Error(`${awake.length} of ${ids.length} are awake`);
  });
}

/** Resolves when the task's run has ended to wait for a signal. */
export async function listening(tables: TaskTables, ...ids: string[]): Promise<void> {
  await tables.waitFor(async () => {
    const busy = await tables.rows(
      'select id from perdure.tasks where id = any($1) and not (lease_owner is null and listens)',
      [ids],
    );
    if (busy.length > 0) throw new Error(`${busy.length} of ${ids.length} do not listen`);
  });
}
