import { type Queryable } from './database.js';
import { type TaskKey, type TaskRow } from './task.row.js';

/** A signal to store. */
export interface NewSignal {
  readonly name: string;
  /** JSON. */
  readonly value: string;
  /** Under a name, a key stands for one signal. */
  readonly key: string | null;
}

/** A signal that no recorded call has taken, by its number within the task. */
export interface WaitingSignal {
  readonly ordinal: number;
  readonly name: string;
}

/** A task's signals at one moment. */
export interface SignalInbox {
  /** How many have come in all. */
  readonly count: number;
  /** Those that wait for a call, oldest first. */
  readonly waiting: readonly WaitingSignal[];
}

/** SQL of `task_signals`. What a call has taken is what the journal says: its record holds the signal's ordinal. */
export class SignalRepository {
  /** Adds a signal behind the newest one of a locked row; a task that listens is due now, and its token rises. */
  async add(tx: Queryable, { tenantId, id }: TaskRow, { name, value, key }: NewSignal): Promise<number> {
    const { rows } = await tx.query<{ ordinal: number }>(
      `with u as (
         update perdure.tasks set signals = signals + 1, listens = false,
           lease_token = lease_token + listens::int,
           run_at = case when listens then now() else run_at end
         where tenant_id = $1 and id = $2 returning tenant_id, id, signals)
       insert into perdure.task_signals (tenant_id, task_id, ordinal, name, value, key)
       select tenant_id, id, signals, $3, $4, $5 from u returning ordinal`,
      [tenantId, id, name, value, key],
    );
    return rows[0]!.ordinal;
  }

  /** The signal that a key stands for. */
  async byKey(
    db: Queryable,
    { tenantId, taskId }: TaskKey,
    name: string,
    key: string,
  ): Promise<{ ordinal: number; value: string } | undefined> {
    const { rows } = await db.query<{ ordinal: number; value: string }>(
      `select ordinal, value from perdure.task_signals
       where tenant_id = $1 and task_id = $2 and name = $3 and key = $4`,
      [tenantId, taskId, name, key],
    );
    return rows[0];
  }

  /** How many signals there are, and which of those after number `after` no recorded call has taken. */
  async inbox(db: Queryable, { tenantId, taskId }: TaskKey, after: number): Promise<SignalInbox> {
    // NOT IN, because it is hashed whatever the planner takes the tables for.
    const { rows } = await db.query<WaitingSignal & { count: number }>(
      `select t.signals as count, s.ordinal, s.name
       from perdure.tasks t left join perdure.task_signals s
         on s.tenant_id = t.tenant_id and s.task_id = t.id and s.ordinal > $3 and s.ordinal::text not in (
           select value from perdure.task_journal
           where tenant_id = $1 and task_id = $2 and kind = 'waitFor' and value is not null)
       where t.tenant_id = $1 and t.id = $2 order by s.ordinal`,
      [tenantId, taskId, after],
    );
    const waiting = rows.filter(({ ordinal }) => ordinal !== null).map(({ ordinal, name }) => ({ ordinal, name }));
    return { count: rows[0]?.count ?? 0, waiting };
  }

  /** The values of signals, as JSON, by ordinal. */
  async values(
    db: Queryable,
    { tenantId, taskId }: TaskKey,
    ordinals: readonly number[],
  ): Promise<Map<number, string>> {
    const { rows } = await db.query<{ ordinal: number; value: string }>(
      `select ordinal, value from perdure.task_signals where tenant_id = $1 and task_id = $2 and ordinal = any($3)`,
      [tenantId, taskId, ordinals],
    );
    return new Map(rows.map(({ ordinal, value }) => [ordinal, value]));
  }
}
