import { type Queryable } from './database.js';
import { type TaskKey, type TaskRow } from './task.row.js';
import { type JournalRecord } from './writes.js';

/** An event as it is stored: a StreamResponse as ProtoJSON. */
export interface StoredEvent {
  readonly sequence: number;
  readonly event: string;
}

/** A message of the history as it is stored; `input` numbers the client's own. */
export interface StoredMessage {
  readonly ordinal: number;
  readonly input: number | null;
  readonly message: string;
  /** Metadata and extensions of the call that brought a client's message, as JSON. */
  readonly request: string | null;
}

/** Where a reader of a task's log stands. */
export interface LogPosition extends TaskKey {
  readonly after: number;
}

/** SQL of what a task leaves behind: events, messages and the journal of durable calls. */
export class TaskLogRepository {
  /** Events after a sequence, oldest first, at most `limit`. */
  async eventsAfter(db: Queryable, key: TaskKey, after: number, limit: number): Promise<StoredEvent[]> {
    const { rows } = await db.query<StoredEvent>({
      name: 'events-after',
      text: `select sequence, event from perdure.task_events
             where tenant_id = $1 and task_id = $2 and sequence > $3 order by sequence limit $4`,
      values: [key.tenantId, key.taskId, after, limit],
    });
    return rows;
  }

  /** The same for many readers at once: one statement, at most `limit` events each. */
  async eventsAfterEach(
    db: Queryable,
    positions: readonly LogPosition[],
    limit: number,
  ): Promise<(StoredEvent & TaskKey)[]> {
    const { rows } = await db.query<StoredEvent & TaskKey>({
      name: 'events-after-each',
      text: `select p.tenant as "tenantId", p.id as "taskId", e.sequence, e.event
             from unnest($1::text[], $2::uuid[], $3::int4[]) p(tenant, id, after),
               lateral (select sequence, event from perdure.task_events
                        where tenant_id = p.tenant and task_id = p.id and sequence > p.after
                        order by sequence limit $4) e
             order by p.tenant, p.id, e.sequence`,
      values: [positions.map((p) => p.tenantId), positions.map((p) => p.taskId), positions.map((p) => p.after), limit],
    });
    return rows;
  }

  /** The newest `last` messages (all without it), oldest first. */
  async messages(db: Queryable, { tenantId, taskId }: TaskKey, last?: number): Promise<StoredMessage[]> {
    const { rows } = await db.query<StoredMessage>({
      name: 'messages',
      text: `select ordinal, input, message, request from perdure.task_messages
             where tenant_id = $1 and task_id = $2 order by ordinal desc limit $3`,
      values: [tenantId, taskId, last ?? null],
    });
    return rows.reverse();
  }

  /** The newest `last` messages of each task, oldest first, by task id. */
  async messagesOfEach(
    db: Queryable,
    tenantId: string,
    ids: readonly string[],
    last?: number,
  ): Promise<Map<string, string[]>> {
    const { rows } = await db.query<{ id: string; message: string }>(
      `select i.id, m.message from unnest($2::uuid[]) i(id),
         lateral (select ordinal, message from perdure.task_messages
                  where tenant_id = $1 and task_id = i.id order by ordinal desc limit $3) m
       order by i.id, m.ordinal`,
      [tenantId, ids, last ?? null],
    );
    const byTask = new Map<string, string[]>();
    for (const { id, message } of rows) byTask.set(id, [...(byTask.get(id) ?? []), message]);
    return byTask;
  }

  /** All messages of each of the tasks, oldest first. */
  async messagesOfAll(db: Queryable, keys: readonly TaskKey[]): Promise<(StoredMessage & TaskKey)[]> {
    const { rows } = await db.query<StoredMessage & TaskKey>({
      name: 'messages-of-all',
      text: `select k.tenant as "tenantId", k.id as "taskId", m.* from unnest($1::text[], $2::uuid[]) k(tenant, id),
               lateral (select ordinal, input, message, request from perdure.task_messages
                        where tenant_id = k.tenant and task_id = k.id order by ordinal offset 0) m
             order by k.tenant, k.id, m.ordinal`,
      values: [keys.map((key) => key.tenantId), keys.map((key) => key.taskId)],
    });
    return rows;
  }

  /** Adds a message behind the task's newest one; the caller holds the row's lock and raises the row's counters. */
  async addMessage(tx: Queryable, { tenantId, id }: TaskRow, stored: StoredMessage): Promise<void> {
    await tx.query(
      `insert into perdure.task_messages (tenant_id, task_id, ordinal, input, message, request)
       values ($1, $2, $3, $4, $5, $6)`,
      [tenantId, id, stored.ordinal, stored.input, stored.message, stored.request],
    );
  }

  /** What the turns of some tasks have recorded so far, by branch and position. */
  async journals(
    db: Queryable,
    turns: readonly (TaskKey & { readonly turn: number })[],
  ): Promise<(JournalRecord & TaskKey)[]> {
    const { rows } = await db.query<JournalRecord & TaskKey>({
      name: 'journals',
      text: `select k.tenant as "tenantId", k.id as "taskId", k.turn, j.*
             from unnest($1::text[], $2::uuid[], $3::int4[]) k(tenant, id, turn),
               lateral (select branch, position, kind, name, value from perdure.task_journal
                        where tenant_id = k.tenant and task_id = k.id and turn = k.turn order by branch, position offset 0) j
             order by k.tenant, k.id, j.branch, j.position`,
      values: [turns.map((t) => t.tenantId), turns.map((t) => t.taskId), turns.map((t) => t.turn)],
    });
    return rows;
  }
}
