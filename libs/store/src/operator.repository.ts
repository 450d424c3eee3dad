import { SCAN, ScanConditions, type ScannedRow, scanPage, type ScanPage } from './bounded-scan.js';
import { type Queryable } from './database.js';
import { DelegationState } from './delegation.repository.js';
import { type TaskKey, TASK_COLUMNS, type TaskRow } from './task.row.js';

/** What a task waits for that has not ended. */
export const WAITS = [
  'input',
  'auth',
  'run',
  'takeover',
  'worker',
  'start',
  'signal',
  'delegation',
  'timer',
  'retry',
] as const;

/**
 * `input` and `auth`: the client. `run`: the end of the run under way. `takeover`: somebody to take over from a holder that
 * is gone. `worker`: a free slot. `start`: the time it was scheduled for. `signal`: a signal by name. `delegation`: another
 * agent. `timer`: the end of a sleep or of a step's pause. `retry`: the end of the pause after a failure.
 */
export type WaitKind = (typeof WAITS)[number];

/** Which tasks an operator means: of all tenants and agents where none is named. All conditions hold. */
export interface OperatorFilter {
  readonly tenantId?: string;
  readonly agent?: string;
  readonly contextId?: string;
  /** TaskState by number. */
  readonly state?: number;
  /** The `reason` for which the engine failed the task. */
  readonly reason?: string;
  /** Failed by the engine: FAILED with a reason. */
  readonly dead?: boolean;
  /** Not ended. */
  readonly open?: boolean;
  readonly waitsFor?: WaitKind;
  /** The status is older than so many milliseconds, or younger. */
  readonly olderThanMs?: number;
  readonly youngerThanMs?: number;
}

/** A task with what an operator asks of it first. */
export interface OperatorRow extends TaskRow {
  /** Null for a task that has ended. */
  readonly waitsFor: WaitKind | null;
  /** The `reason` and `errorId` in the status message's metadata, where the engine put one there. */
  readonly reason: string | null;
  readonly errorId: string | null;
}

/** How an operator sets a task going again. */
export interface Restart {
  readonly at: Date;
  /** The state it leads to, with the event that tells of it; absent where the state stays. */
  readonly status?: { readonly state: number; readonly text: string; readonly event: string };
  /** Milliseconds from now; null for none; undefined leaves it as it is. */
  readonly deadlineMs?: number | null;
  /** The version of the agent that begins the turn anew; absent where what is recorded goes on. */
  readonly version?: string;
}

/** Where a recorded call stands in its turn. */
export interface CallPlace {
  readonly branch: string;
  readonly position: number;
}

/** A record without its value, of which `bytes` is the size. */
export interface RecordSummary extends CallPlace {
  readonly kind: string;
  readonly name: string | null;
  readonly bytes: number;
}

/** An event with the time at which it was committed. */
export interface TimedEvent {
  readonly sequence: number;
  readonly at: Date;
  readonly event: string;
}

/** The time for which the row is due stands in the record of the sleep, the wait or the step's failure that it is for. */
const HAS_TIMER = `exists (
  select from perdure.task_journal j where j.tenant_id = t.tenant_id and j.task_id = t.id and j.turn = t.turn
    and j.kind in ('sleep', 'timeout', 'retry')
    and strpos(j.value, to_char(t.run_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')) > 0)`;

const HAS_DELEGATION = `exists (
  select from perdure.task_delegations d where d.tenant_id = t.tenant_id and d.task_id = t.id and d.turn = t.turn
    and d.state <> ${DelegationState.OVER})`;

const WAITS_FOR = `case
  when t.state in (3, 4, 5, 7) then null
  when t.state = 6 then 'input'
  when t.state = 8 then 'auth'
  when t.lease_owner is not null then case when t.run_at > now() then 'run' else 'takeover' end
  when t.run_at <= now() then 'worker'
  when t.listens or t.run_at is null then case when ${HAS_DELEGATION} then 'delegation' else 'signal' end
  when t.state = 1 then 'start'
  when t.attempt = 0 or ${HAS_TIMER} then 'timer'
  else 'retry' end`;

const metadata = (field: string) => `t.status::json #>> '{message,metadata,${field}}'`;
const REASON = `case when t.state = 4 then ${metadata('reason')} end`;
const ERROR_ID = `case when t.state = 4 then ${metadata('errorId')} end`;

const OPERATOR_COLUMNS = `${TASK_COLUMNS}, ${WAITS_FOR} as "waitsFor", ${REASON} as reason, ${ERROR_ID} as "errorId"`;

/** SQL of operators: finding tasks across tenants and agents, and setting them going again. */
export class OperatorRepository {
  async find(db: Queryable, { tenantId, taskId }: TaskKey): Promise<OperatorRow | undefined> {
    const { rows } = await db.query<OperatorRow>(
      `select ${OPERATOR_COLUMNS} from perdure.tasks t where t.tenant_id = $1 and t.id = $2`,
      [tenantId, taskId],
    );
    return rows[0];
  }

  /** The task, locked until the transaction ends. */
  async lock(tx: Queryable, { tenantId, taskId }: TaskKey): Promise<OperatorRow | undefined> {
    const { rows } = await tx.query<OperatorRow>(
      `select ${OPERATOR_COLUMNS} from perdure.tasks t where t.tenant_id = $1 and t.id = $2 for update`,
      [tenantId, taskId],
    );
    return rows[0];
  }

  /**
   * Up to `limit` tasks by tenant and id, so that within a tenant those made first come first. It looks at a bounded number
   * of rows: where few fit, a page may be short, or empty, and the list go on nevertheless.
   */
  async page(
    db: Queryable,
    filter: OperatorFilter,
    limit: number,
    after?: TaskKey,
  ): Promise<ScanPage<OperatorRow, TaskKey>> {
    const { scanned, fits, values } = taskConditions(filter, after);
    const { rows } = await db.query<OperatorRow & ScannedRow>(
      `with scanned as materialized (
         select t.tenant_id, t.id, row_number() over (order by t.tenant_id, t.id)::int4 as place, ${fits} as fits
         from (select t.* from perdure.tasks t where ${scanned} order by t.tenant_id, t.id limit ${SCAN}) t)
       select ${OPERATOR_COLUMNS}, s.fits, s.place
       from scanned s join perdure.tasks t on t.tenant_id = s.tenant_id and t.id = s.id
       where s.fits or s.place = ${SCAN} order by s.place limit $${values.length + 1}`,
      [...values, limit + 1],
    );
    return scanPage(rows, limit, ({ tenantId, id }) => ({ tenantId, taskId: id }));
  }

  /**
   * Makes a locked task due, from whatever state: the token rises, so that a run under way is fenced off, and failures are
   * counted anew. With the event and the counter, where the state changes.
   */
  async restart(tx: Queryable, row: TaskRow, { at, status, deadlineMs, version }: Restart): Promise<void> {
    await tx.query(
      `with u as (
         update perdure.tasks set state = coalesce($3, state), status = coalesce($4, status),
           status_timestamp = case when $4::text is null then status_timestamp else $5 end, last_modified = $5,
           last_sequence = last_sequence + ($6::text is not null)::int, lease_token = lease_token + 1,
           lease_owner = null, run_at = now(), listens = false, attempt = 0, lost = 0,
           deadline = case when $7::bool then now() + $8::float8 * interval '1 ms' else deadline end,
           agent_version = coalesce($9, agent_version)
         where tenant_id = $1 and id = $2 returning last_sequence)
       insert into perdure.task_events (tenant_id, task_id, sequence, event)
       select $1, $2, last_sequence, $6 from u where $6::text is not null`,
      [
        ...[row.tenantId, row.id, status?.state ?? null, status?.text ?? null, at, status?.event ?? null],
        ...[deadlineMs !== undefined, deadlineMs ?? null, version ?? null],
      ],
    );
  }

  /** Makes a locked task due now that is due later. */
  async hasten(tx: Queryable, { tenantId, id }: TaskRow): Promise<void> {
    await tx.query('update perdure.tasks set run_at = now() where tenant_id = $1 and id = $2', [tenantId, id]);
  }

  /** Metadata and extensions of the call that made the task, as JSON; null where it brought nothing. */
  async firstRequest(db: Queryable, { tenantId, taskId }: TaskKey): Promise<string | null> {
    const { rows } = await db.query<{ request: string | null }>(
      'select request from perdure.task_messages where tenant_id = $1 and task_id = $2 and ordinal = 1',
      [tenantId, taskId],
    );
    return rows[0]?.request ?? null;
  }

  /** All records of a turn without their values, in no order. */
  async records(db: Queryable, { tenantId, taskId }: TaskKey, turn: number): Promise<RecordSummary[]> {
    const { rows } = await db.query<RecordSummary>(
      `select j.branch, j.position, j.kind, j.name, coalesce(octet_length(coalesce(r.value, j.value)), 0) as bytes
       from perdure.task_journal j left join perdure.task_results r using (tenant_id, task_id, turn, branch, position)
       where j.tenant_id = $1 and j.task_id = $2 and j.turn = $3`,
      [tenantId, taskId, turn],
    );
    return rows;
  }

  /** The values of records as JSON, of those that are no larger than `maxBytes`, in no order. */
  async values(
    db: Queryable,
    { tenantId, taskId }: TaskKey,
    turn: number,
    places: readonly CallPlace[],
    maxBytes: number,
  ): Promise<(CallPlace & { value: string | null })[]> {
    const { rows } = await db.query<CallPlace & { value: string | null }>(
      `select j.branch, j.position, coalesce(r.value, j.value) as value
       from unnest($4::text[], $5::int4[]) p(branch, position)
       join perdure.task_journal j using (branch, position)
       left join perdure.task_results r using (tenant_id, task_id, turn, branch, position)
       where j.tenant_id = $1 and j.task_id = $2 and j.turn = $3
         and coalesce(octet_length(coalesce(r.value, j.value)), 0) <= $6::int8`,
      [tenantId, taskId, turn, places.map((p) => p.branch), places.map((p) => p.position), maxBytes],
    );
    return rows;
  }

  /** Deletes records of the turn, with their results: the calls that made them are made again. */
  async dropRecords(tx: Queryable, { tenantId, id, turn }: TaskRow, places: readonly CallPlace[]): Promise<void> {
    for (const table of ['task_journal', 'task_results']) {
      await tx.query(
        `delete from perdure.${table} d using unnest($4::text[], $5::int4[]) p(branch, position)
         where d.tenant_id = $1 and d.task_id = $2 and d.turn = $3 and d.branch = p.branch and d.position = p.position`,
        [tenantId, id, turn, places.map((p) => p.branch), places.map((p) => p.position)],
      );
    }
  }

  /** Has the open delegations of the turn looked at now; a look that has found them unwanted may no longer say so. */
  async reviveDelegations(tx: Queryable, { tenantId, id, turn }: TaskRow): Promise<void> {
    await tx.query(
      `update perdure.task_delegations set look_token = look_token + 1, is_held = false, look_at = now()
       where tenant_id = $1 and task_id = $2 and turn = $3 and state <> ${DelegationState.OVER}`,
      [tenantId, id, turn],
    );
  }

  /** Events after a sequence, oldest first: at most `limit`, and, but for the first, no more than `maxBytes` of them. */
  async events(db: Queryable, key: TaskKey, after: number, limit: number, maxBytes: number): Promise<TimedEvent[]> {
    const { rows } = await db.query<TimedEvent>(
      `select sequence, at, event from (
         select e.*, sum(octet_length(event)) over (order by sequence) as bytes, row_number() over (order by sequence) as n
         from (select sequence, created_at as at, event from perdure.task_events
               where tenant_id = $1 and task_id = $2 and sequence > $3 order by sequence limit $4) e) e
       where n = 1 or bytes <= $5 order by sequence`,
      [key.tenantId, key.taskId, after, limit, maxBytes],
    );
    return rows;
  }
}

/** `scanned` narrows by what the indexes hold, `fits` by the rest: what does not fit is passed over, and is counted. */
function taskConditions(filter: OperatorFilter, after?: TaskKey) {
  const conditions = new ScanConditions();
  const value = (given: unknown) => conditions.value(given);
  if (after) conditions.narrow(`(t.tenant_id, t.id) > (${value(after.tenantId)}, ${value(after.taskId)}::uuid)`);
  if (filter.tenantId !== undefined) conditions.narrow(`t.tenant_id = ${value(filter.tenantId)}`);
  const failed = filter.dead === true || filter.reason !== undefined;
  if (failed || filter.state === 4) conditions.narrow('t.state = 4');
  if (filter.state !== undefined) conditions.pass(`t.state = ${value(filter.state)}`);
  if (filter.open === true) conditions.pass('t.state not in (3, 4, 5, 7)');
  if (filter.agent !== undefined) conditions.pass(`t.agent = ${value(filter.agent)}`);
  if (filter.contextId !== undefined) conditions.pass(`t.context_id = ${value(filter.contextId)}`);
  if (filter.olderThanMs !== undefined) conditions.pass(`t.status_timestamp <= ${ago(value(filter.olderThanMs))}`);
  if (filter.youngerThanMs !== undefined) conditions.pass(`t.status_timestamp > ${ago(value(filter.youngerThanMs))}`);
  if (filter.waitsFor !== undefined) conditions.pass(`coalesce(${WAITS_FOR} = ${value(filter.waitsFor)}, false)`);
  if (filter.reason !== undefined) conditions.pass(`coalesce(${REASON} = ${value(filter.reason)}, false)`);
  else if (failed) conditions.pass(`${REASON} is not null`);
  return conditions;
}

function ago(parameter: string): string {
  return `now() - ${parameter}::float8 * interval '1 ms'`;
}
