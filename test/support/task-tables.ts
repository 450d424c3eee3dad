import pg from 'pg';
import { afterAll, expect, vi } from 'vitest';
import { type StreamResponseJson, type TaskStatusJson } from '#protocol';

/** A row of `perdure.tasks`, with the columns' own names. */
export interface StoredTask {
  readonly state: number;
  readonly last_sequence: number;
  readonly snapshot: string | null;
  readonly snapshot_sequence: number;
  readonly turn: number;
  readonly lease_token: string;
  readonly lease_owner: string | null;
  readonly run_at: Date | null;
  readonly attempt: number;
  readonly lost: number;
  readonly listens: boolean;
}

/** What stands in the tables, read past the engine. */
export class TaskTables {
  private pool: pg.Pool | undefined;

  constructor(private readonly database: { readonly url: string }) {}

  async rows<Row extends pg.QueryResultRow>(text: string, values: unknown[] = []): Promise<Row[]> {
    // The database's URL is known by the time of the first statement, not when the file is read.
    this.pool ??= openPool(this.database.url);
    return (await this.pool.query<Row>(text, values)).rows;
  }

  async close(): Promise<void> {
    await this.pool?.end();
  }

  async task(id: string): Promise<StoredTask> {
    const [row] = await this.rows<StoredTask>('select * from perdure.tasks where id = $1', [id]);
    if (!row) throw new Error(`there is no task ${id}`);
    return row;
  }

  /** The id of an agent's only task. A run that starts beside its acceptance may be seen before the task is. */
  async idOf(agent: string): Promise<string> {
    const ids = () => this.rows<{ id: string }>('select id from perdure.tasks where agent = $1', [agent]);
    await this.waitFor(async () => expect(await ids()).toHaveLength(1));
    return (await ids())[0]!.id;
  }

  /** The log of a task, in order. */
  async events(id: string): Promise<StreamResponseJson[]> {
    const rows = await this.rows<{ event: string }>(
      'select event from perdure.task_events where task_id = $1 order by sequence',
      [id],
    );
    return rows.map(({ event }) => JSON.parse(event) as StreamResponseJson);
  }

  /** What the log tells of the states, in order. */
  async states(id: string): Promise<string[]> {
    const statuses = (await this.events(id)).map(({ task, statusUpdate }) => (task ?? statusUpdate)?.status);
    return statuses.filter((status) => status !== undefined).map((status) => stateName(status));
  }

  async journal(id: string): Promise<{ turn: number; position: number; kind: string; name: string; value: string }[]> {
    return this.rows('select * from perdure.task_journal where task_id = $1 order by turn, position', [id]);
  }

  /** Resolves when the task is in the state. */
  async until(id: string, state: string): Promise<void> {
    await this.waitFor(async () => expect((await this.states(id)).at(-1)).toBe(state));
  }

  /** Asks again and again, every so many milliseconds, until `assertion` holds. */
  async waitFor(assertion: () => Promise<unknown>, interval = 20): Promise<void> {
    await vi.waitFor(assertion, { timeout: 30_000, interval });
  }

  /** Holds the rows of tasks, so that whoever needs them waits; answers with the way to let go. */
  async hold(...ids: string[]): Promise<() => Promise<void>> {
    const client = new pg.Client(this.database.url);
    // A test that fails halfway lets go too, before its engines are waited for.
    client.on('error', () => undefined);
    await client.connect();
    await client.query(`set idle_in_transaction_session_timeout = '10s'`);
    await client.query('begin');
    await client.query('select from perdure.tasks where id = any($1) for update', [ids]);
    return () => client.end();
  }

  /** The backends of an application on this database, such as `perdure committer`. */
  async backends(application: string): Promise<{ pid: number; waits: boolean }[]> {
    return this.rows(
      `select pid, wait_event_type is not distinct from 'Lock' as waits from pg_stat_activity
       where application_name = $1 and datname = current_database()`,
      [application],
    );
  }

  /** Resolves when a connection of the application waits for a lock. */
  async untilBlocked(application: string): Promise<void> {
    await this.waitFor(async () =>
      expect(await this.backends(application)).toContainEqual({ pid: expect.any(Number), waits: true }),
    );
  }

  /** Ends the application's connections to this database, from the server's side. */
  async terminate(application: string): Promise<void> {
    for (const { pid } of await this.backends(application))
      await this.rows('select pg_terminate_backend($1, 5000)', [pid]);
  }

  /** After the death of all processes: waits until Postgres has seen off what they had open, and lets their leases run out. */
  async forget(): Promise<void> {
    const open = `select from pg_stat_activity where datname = current_database() and application_name like 'perdure%'`;
    await this.waitFor(async () => expect(await this.rows(open)).toEqual([]), 2);
    await this.rows(
      `update perdure.tasks set run_at = now() - interval '1 minute' where lease_owner is not null or run_at <= now()`,
    );
    await this.rows('update perdure.task_delegations set look_at = now() where is_held');
  }

  /** Everything the tables hold, as one text. */
  async everything(): Promise<string> {
    const tables = [
      'tasks',
      'task_events',
      'task_messages',
      'task_journal',
      'task_results',
      'task_signals',
      'idempotency_keys',
    ];
    const rows = await Promise.all(tables.map((table) => this.rows(`select * from perdure.${table}`)));
    return JSON.stringify(rows);
  }

  /** What must be true of every task at every moment at which nothing is being written. */
  async expectSound(): Promise<void> {
    for (const [promise, broken] of Object.entries(UNSOUND)) expect(await this.rows(broken), promise).toEqual([]);
  }
}

/** The tables of a database; whatever the tests of the file did, they are sound at the end. */
export function useTables(database: { readonly url: string }): TaskTables {
  const tables = new TaskTables(database);
  afterAll(async () => {
    try {
      await tables.expectSound();
    } finally {
      await tables.close();
    }
  });
  return tables;
}

function openPool(connectionString: string): pg.Pool {
  const pool = new pg.Pool({ connectionString, max: 3 });
  // The database goes away under the idle connections at the end.
  pool.on('error', () => undefined);
  return pool;
}

function stateName({ state }: TaskStatusJson): string {
  return String(state).replace('TASK_STATE_', '');
}

const COUNTED = `select tenant_id, agent, state, count(*) as n from perdure.tasks group by 1, 2, 3`;
const COUNTERS = `select tenant_id, agent, state, sum(count) as n from perdure.task_counts group by 1, 2, 3 having sum(count) <> 0`;

/** Each promise with the query for what breaks it. */
const UNSOUND = {
  'events are numbered 1, 2, 3 … up to the row’s own counter': `
    select t.id, t.last_sequence, count(e.sequence), max(e.sequence) from perdure.tasks t
    left join perdure.task_events e on e.tenant_id = t.tenant_id and e.task_id = t.id
    group by t.tenant_id, t.id having count(e.sequence) <> t.last_sequence or max(e.sequence) <> t.last_sequence`,
  'no event, message or record is without its task': `
    select task_id from (select tenant_id, task_id from perdure.task_events union all select tenant_id, task_id
      from perdure.task_messages union all select tenant_id, task_id from perdure.task_journal) x
    where not exists (select from perdure.tasks t where t.tenant_id = x.tenant_id and t.id = x.task_id)`,
  'messages are counted': `
    select t.id, t.messages, t.inputs from perdure.tasks t
    left join perdure.task_messages m on m.tenant_id = t.tenant_id and m.task_id = t.id
    group by t.tenant_id, t.id having count(m.ordinal) <> t.messages or count(m.input) <> t.inputs
      or max(m.ordinal) <> t.messages or max(m.input) <> t.inputs`,
  'signals are counted and numbered': `
    select t.id, t.signals, count(s.ordinal), max(s.ordinal) from perdure.tasks t
    left join perdure.task_signals s on s.tenant_id = t.tenant_id and s.task_id = t.id
    group by t.tenant_id, t.id having count(s.ordinal) <> t.signals or max(s.ordinal) <> t.signals`,
  'a signal is taken once': `
    select task_id, value from perdure.task_journal where kind = 'waitFor' and value is not null
    group by 1, 2 having count(*) > 1`,
  'what listens is held by nobody, and goes on': `
    select id, state, lease_owner from perdure.tasks where listens and (lease_owner is not null or state <> 2)`,
  'counters are exact': `(${COUNTED} except ${COUNTERS}) union all (${COUNTERS} except ${COUNTED})`,
  'the status is the one that the newest status event tells': `
    select t.id, t.status, x.status from perdure.tasks t, lateral (
      select coalesce(e.event::jsonb #> '{statusUpdate,status}', e.event::jsonb #> '{task,status}') as status
      from perdure.task_events e where e.tenant_id = t.tenant_id and e.task_id = t.id
        and (e.event::jsonb ? 'statusUpdate' or e.event::jsonb ? 'task') order by e.sequence desc limit 1) x
    where t.status::jsonb <> x.status`,
  'the time of the status is the one that clients see': `
    select id, status_timestamp, status from perdure.tasks
    where status_timestamp <> (status::jsonb ->> 'timestamp')::timestamptz`,
  'nothing follows an end': `
    select t.id, t.state, e.event from perdure.tasks t
    join perdure.task_events e on e.tenant_id = t.tenant_id and e.task_id = t.id and e.sequence = t.last_sequence
    where t.state in (3, 4, 5, 7) and (e.event::jsonb #>> '{statusUpdate,status,state}') is null`,
  'a task that has ended has no deadline': `select id from perdure.tasks where state in (3, 4, 5, 7) and deadline is not null`,
  'a task that waits for its client has nothing to run': `
    select id, run_at, lease_owner from perdure.tasks where state in (6, 8) and (run_at is not null or lease_owner is not null)`,
  'a record whose result stands elsewhere has it': `
    select j.* from perdure.task_journal j left join perdure.task_results r using (tenant_id, task_id, turn, branch, position)
    where j.value like '@%' and octet_length(r.value) is distinct from substr(j.value, 2)::int`,
  'a task names its webhooks, and nothing else': `
    select t.id, t.push, c.uids from perdure.tasks t left join (
      select tenant_id, task_id, array_agg(uid order by uid) as uids from perdure.push_configs group by 1, 2) c
      on c.tenant_id = t.tenant_id and c.task_id = t.id
    where array(select unnest(t.push) order by 1) <> coalesce(c.uids, '{}')`,
  'each webhook has its lane, and what waits in one goes up to the newest event': `
    select c.uid, l.config_uid, d.newest, t.last_sequence from perdure.push_configs c
    join perdure.tasks t on t.tenant_id = c.tenant_id and t.id = c.task_id
    left join perdure.push_lanes l on l.tenant_id = c.tenant_id and l.task_id = c.task_id and l.config_uid = c.uid
    left join lateral (
      select max(sequence) as newest, max(sequence) - min(sequence) + 1 - count(*) as missing
      from perdure.push_deliveries where tenant_id = c.tenant_id and task_id = c.task_id and config_uid = c.uid
        and state < 2) d on true
    where l.config_uid is null or l.endpoint <> c.endpoint or d.missing > 0 or d.newest <> t.last_sequence`,
  'a snapshot is of an event that is there': `select id from perdure.tasks where snapshot_sequence > last_sequence`,
};
