import { constraintOf, sqlState } from './database-error.js';
import { type Queryable } from './database.js';
import {
  type AppendWrite,
  IdempotencyKeyTakenError,
  InputPendingError,
  LeaseLostError,
  SignalPendingError,
  TaskIdTakenError,
  type Write,
} from './writes.js';

/** The keys that a new task's rows share with those of a task of the same id; any of them may be the first to be checked. */
const TASK_KEYS = new Set(['tasks_pkey', 'task_events_pkey', 'task_messages_pkey']);

/**
 * Whether the statement may have been committed: the connection broke (SQLSTATE 08, 57P for a shutdown or crash, or none).
 * A RangeError is ours, before anything was sent: a time that is none, texts that are too long together.
 */
export function isOutcomeUnknown(error: unknown): boolean {
  const state = sqlState(error);
  return state === undefined ? !(error instanceof RangeError) : /^(08|57P)/.test(state);
}

/**
 * What a write leaves behind tells whether it was committed: writes are atomic and their keys unique. A record's place does so
 * only while nobody else has had the lease: a successor of the run records at the same places.
 */
export async function isCommitted(db: Queryable, write: Write): Promise<boolean> {
  const sequence = write.kind === 'create' ? 1 : write.base + 1;
  const event = write.events[0];
  if (event !== undefined) return holds(db, 'task_events where sequence = $3 and event = $4', write, [sequence, event]);
  const record = write.kind === 'append' ? write.journal?.[0] : undefined;
  if (write.kind !== 'append' || !record) return false;
  const { turn, branch, position, kind } = record;
  const place = `task_journal where turn = $3 and branch = $4 and position = $5 and kind = $6
    and exists (select from perdure.tasks where tenant_id = $1 and id = $2 and lease_token = $7)`;
  return holds(db, place, write, [turn, branch, position, kind, write.token]);
}

async function holds(db: Queryable, from: string, { tenantId, taskId }: Write, values: unknown[]): Promise<boolean> {
  const text = `select 1 from perdure.${from} and tenant_id = $1 and task_id = $2`;
  const { rowCount } = await db.query(text, [tenantId, taskId, ...values]);
  return rowCount !== 0;
}

/** Why the fence has refused an append: what has come to the task that the run has not seen, else a newer lease. */
export async function reasonOfRefusal(db: Queryable, write: AppendWrite): Promise<Error> {
  const { rows } = await db.query<{ inputs: number; signals: number }>(
    'select inputs, signals from perdure.tasks where tenant_id = $1 and id = $2 and lease_token = $3 and last_sequence = $4',
    [write.tenantId, write.taskId, write.token, write.base],
  );
  const [row] = rows;
  if (row && write.inputs !== undefined && row.inputs !== write.inputs) return new InputPendingError();
  if (row && write.signals !== undefined && row.signals !== write.signals) return new SignalPendingError();
  return new LeaseLostError(write.tenantId, write.taskId);
}

/** What a violated constraint says about the write; undefined where that is nobody's to foresee. */
export function refusalOf({ kind }: Write, error: unknown): Error | undefined {
  const constraint = constraintOf(error);
  if (constraint === 'idempotency_keys_pkey') return new IdempotencyKeyTakenError();
  return kind === 'create' && constraint !== undefined && TASK_KEYS.has(constraint)
    ? new TaskIdTakenError()
    : undefined;
}
