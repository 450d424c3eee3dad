import { isoTime } from '#protocol';
import { CREATED_PUSH_PARTS, CREATED_UIDS, createdPush, pushValue } from './push-parts.js';
import { type AppendWrite, type CreateWrite } from './writes.js';

/** One prepared statement: its name, its text and the values for it. */
export interface CommitStatement {
  readonly name: string;
  readonly text: string;
  readonly values: unknown[];
}

/** The waiting appends of one lease, merged into one row update. */
export interface AppendGroup {
  readonly key: string;
  readonly writes: AppendWrite[];
}

/** A task to insert, as the run that began with it has left it so far: the run's waiting appends are merged into its row. */
export interface NewTask {
  readonly create: CreateWrite;
  readonly appends: AppendWrite[];
}

const WORKING = '2';
const TERMINAL = '3, 4, 5, 7';

const CREATE_TYPES = [
  ...['text', 'uuid', 'text', 'text', 'text', 'json', 'json', 'timestamptz', 'tstzrange'],
  ...['text', 'text', 'text', 'text', 'int2'],
];
const APPEND_TYPES = ['text', 'uuid', 'int8', 'int4', 'int4'];
/** What both have: the change that the events of a row make, and where its slices begin. */
const CHANGE_TYPES = [
  ...['int4', 'timestamptz', 'int2', 'json', 'timestamptz', 'json', 'int4', 'int4', 'bool', 'timestamptz'],
  ...['int4', 'int4', 'int4'],
];
const CHANGE = 'n, at, state, status, status_at, snapshot, snapshot_at, signals, release, due, jn, s, js';
const JOURNAL_TYPES = ['int4', 'text', 'int4', 'text', 'text'];

/**
 * JSON texts travel as one text, split by Postgres: escaping each of them as an array element costs more than all else
 * that is done to encode a flush. JSON holds no raw control characters, so they can separate and stand for null.
 */
const SEPARATOR = '\u001f';
const NULL_TEXT = '\u001e';

function joined(texts: readonly (string | null | undefined)[]): string {
  return texts.map((text) => (text === null || text === undefined ? NULL_TEXT : checked(text))).join(SEPARATOR);
}

/** One text that is not JSON would hand its neighbours' events to other tasks. */
function checked(text: string): string {
  if (text.includes(SEPARATOR) || text === NULL_TEXT) throw new RangeError('a text to commit is not JSON');
  return text;
}

const split = (parameter: number) => `string_to_array($${parameter}::text, chr(31), chr(30))`;

/** An array literal of what needs no quotes: numbers, booleans, UUIDs, times. What else is in them is refused by its type. */
function plain(values: readonly (string | number | boolean | null | undefined)[]): string {
  let literal = '{';
  for (const value of values) literal += `${literal === '{' ? '' : ','}${value ?? 'null'}`;
  return `${literal}}`;
}

/** Times by UTC: local ones, as pg writes a Date, cost more. */
function times(dates: readonly (Date | null | undefined)[]): string {
  return plain(dates.map((date) => date && isoTime(date.getTime())));
}

/** From when to when: one array for two times that most tasks do without. */
function spans(writes: readonly CreateWrite[]): string {
  return plain(
    writes.map(({ startAt, deadline }) =>
      startAt || deadline ? `"[${startAt?.toISOString() ?? ''},${deadline?.toISOString() ?? ''})"` : null,
    ),
  );
}

const WORD = /^[A-Za-z0-9_.-]+$/;

/** An array literal of routing names. They come checked; one that does not look like it is left to pg's own escaping. */
function words(values: readonly string[]): string | readonly string[] {
  return values.every((value) => WORD.test(value)) ? `{"${values.join('","')}"}` : values;
}

/**
 * The whole flush as one statement, so that it is one round trip and one commit. It has three shapes: new tasks,
 * appends, or both; and those with new tasks have another form for tasks that come with webhooks. The answer has a row for
 * each append group that still held its lease: the group's place, from 1, as a negative number where there were webhooks.
 */
export function commitStatement(
  newTasks: readonly NewTask[],
  groups: readonly AppendGroup[],
  settings: { readonly leaseMs: number; readonly shard: number },
): CommitStatement {
  const creates = newTasks.map(({ create }) => create);
  const shape = newTasks.length === 0 ? 'append' : groups.length === 0 ? 'create' : 'both';
  const created = newTasks.map(({ create, appends }) => mergedRow([firstAppend(create), ...appends]));
  const appended = groups.map(({ writes }) => mergedRow(writes));
  const rows = [...created, ...appended];
  // Slices of Postgres' arrays are counted from 1.
  const starts = { event: 1, record: 1 };
  const values: unknown[] = [settings.shard, ...textValues(rows)];
  if (shape !== 'append') {
    values.push(settings.leaseMs, ...createValues(creates), ...changeValues(created, starts));
  }
  if (shape !== 'create') values.push(...appendValues(appended), ...changeValues(appended, starts));
  if (shape === 'append' || !creates.some(({ push }) => push)) {
    return { name: `commit-${shape}`, text: TEXTS[shape], values };
  }
  values.push(pushValue(creates));
  return { name: `commit-${shape}-webhooks`, text: WEBHOOK_TEXTS[shape], values };
}

/** What a new task begins with, as if it were appended to nothing. */
function firstAppend({ tenantId, taskId, events, at, state, status }: CreateWrite): AppendWrite {
  return { kind: 'append', tenantId, taskId, token: 1, base: 0, events, at, status: { state, text: status } };
}

/** All events and journal records of the flush; each row takes its own slice of them. */
function textValues(rows: readonly MergedRow[]): unknown[] {
  const journal = rows.flatMap((row) => row.journal);
  return [
    joined(rows.flatMap((row) => row.events)),
    joined(journal.map((record) => record.value)),
    plain(journal.map((record) => record.turn)),
    journal.map((record) => record.branch),
    plain(journal.map((record) => record.position)),
    journal.map((record) => record.kind),
    journal.map((record) => record.name),
  ];
}

function createValues(creates: readonly CreateWrite[]): unknown[] {
  return [
    words(creates.map((w) => w.tenantId)),
    plain(creates.map((w) => w.taskId)),
    words(creates.map((w) => w.agent)),
    creates.map((w) => w.contextId),
    creates.map((w) => w.owner),
    joined(creates.map((w) => w.message)),
    joined(creates.map((w) => w.request)),
    times(creates.map((w) => w.at)),
    spans(creates),
    words(creates.map((w) => w.agentVersion)),
    creates.map((w) => w.leaseOwner),
    creates.map((w) => w.idempotency?.key ?? null),
    creates.map((w) => w.idempotency?.requestHash ?? null),
    plain(creates.map((w) => w.priority)),
  ];
}

function appendValues(rows: readonly MergedRow[]): unknown[] {
  return [
    words(rows.map((row) => row.first.tenantId)),
    plain(rows.map((row) => row.first.taskId)),
    plain(rows.map((row) => row.first.token)),
    plain(rows.map((row) => row.first.base)),
    plain(rows.map((row) => row.last.inputs)),
  ];
}

/** Where the slices of the next row begin. */
interface Starts {
  event: number;
  record: number;
}

/** What the events of the rows lead to; `starts` is moved on. */
function changeValues(rows: readonly MergedRow[], starts: Starts): unknown[] {
  return [
    plain(rows.map((row) => row.events.length)),
    times(rows.map((row) => row.last.at)),
    plain(rows.map((row) => row.status?.status?.state)),
    joined(rows.map((row) => row.status?.status?.text)),
    times(rows.map((row) => row.status?.at)),
    joined(rows.map((row) => row.snapshot?.snapshot)),
    plain(rows.map((row) => row.snapshot && row.snapshot.base + row.snapshot.events.length)),
    plain(rows.map((row) => row.last.signals)),
    plain(rows.map((row) => row.last.release ?? false)),
    times(rows.map((row) => row.last.due)),
    plain(rows.map((row) => row.journal.length)),
    plain(rows.map((row) => (starts.event += row.events.length) - row.events.length)),
    plain(rows.map((row) => (starts.record += row.journal.length) - row.journal.length)),
  ];
}

/** What a row's writes come to when they are committed together. */
type MergedRow = ReturnType<typeof mergedRow>;

function mergedRow(writes: readonly AppendWrite[]) {
  const [only] = writes;
  // Most groups are one write.
  if (only && writes.length === 1) {
    const status = only.status && only;
    const snapshot = only.snapshot === undefined ? undefined : only;
    return { first: only, last: only, events: only.events, journal: only.journal ?? [], status, snapshot };
  }
  return {
    first: writes[0]!,
    last: writes.at(-1)!,
    events: writes.flatMap((write) => write.events),
    journal: writes.flatMap((write) => write.journal ?? []),
    // Each with the time or the number of its own write: later ones may be in the group.
    status: writes.findLast((write) => write.status),
    snapshot: writes.findLast((write) => write.snapshot !== undefined),
  };
}

const list = (types: readonly string[], from: number) =>
  types.map((type, i) => (type === 'json' ? split(from + i) : `$${from + i}::${type}[]`)).join(', ');

/** Where parameters begin: after the shard events, results and the records' other columns, then those of the rows. */
const TEXTS_FROM = 2;
const ROWS_FROM = TEXTS_FROM + 2 + JOURNAL_TYPES.length;
const CREATE_COLUMNS = [...CREATE_TYPES, ...CHANGE_TYPES];

/** Slices hand each row its own events and journal records, from arrays that are split once. */
const SPLIT = `x as materialized (select ${split(TEXTS_FROM)} as events, ${split(TEXTS_FROM + 1)} as results)`;

const eventsPart = (name: string, rows: string, base: string) => `
  ${name} as (
    insert into perdure.task_events (tenant_id, task_id, sequence, event)
    select r.tenant, r.id, ${base} + v.k::int4, v.event
    from ${rows} r, x, unnest(x.events[r.s:r.s+r.n-1]) with ordinality v(event, k))`;

const RECORDS = [
  ...JOURNAL_TYPES.map((type, i) => `($${TEXTS_FROM + 2 + i}::${type}[])[r.js:r.js+r.jn-1]`),
  'x.results[r.js:r.js+r.jn-1]',
].join(', ');

const journalPart = (name: string, rows: string) => `
  ${name} as (
    insert into perdure.task_journal (tenant_id, task_id, turn, branch, position, kind, name, value)
    select r.tenant, r.id, v.turn, v.branch, v.position, v.kind, v.name, v.value
    from ${rows} r, x, unnest(${RECORDS}) v(turn, branch, position, kind, name, value)
    where r.jn > 0)`;

/** The lease in milliseconds comes before the columns. `push` is what a new row has there, where it has something. */
const createParts = (push?: string) => `
  c as materialized (
    select * from unnest(${list(CREATE_COLUMNS, ROWS_FROM + 1)})
      c(tenant, id, agent, context, owner, message, request, created, span, version, lease_owner, key, hash, priority,
        ${CHANGE})),
  ct as (
    insert into perdure.tasks (tenant_id, id, agent, context_id, owner, state, status, status_timestamp, created_at,
      last_modified, last_sequence, snapshot, snapshot_sequence, messages, inputs, lease_token, lease_owner, run_at,
      listens, deadline, agent_version, priority${push ? ', push' : ''})
    select tenant, id, agent, context, owner, state, status, status_at, created, at, n, snapshot, coalesce(snapshot_at, 0),
      1, 1, case when lease_owner is null then 0 else 1 end, case when release then null else lease_owner end,
      case when release then due when lease_owner is null then coalesce(lower(span), now())
           else now() + $${ROWS_FROM}::int4 * interval '1 ms' end,
      signals is not null, case when state in (${TERMINAL}) then null else upper(span) end, version,
      priority${push ? `, ${push}` : ''} from c),
  cm as (
    insert into perdure.task_messages (tenant_id, task_id, ordinal, input, message, request)
    select tenant, id, 1, 1, message, request from c),
  ${eventsPart('ce', 'c', '0')},
  ${journalPart('cj', 'c')},
  co as (
    insert into perdure.outbox (tenant_id, task_id, agent, priority, run_at)
    select tenant, id, agent, priority, coalesce(due, lower(span), now()) from c where lease_owner is null or due is not null),
  ck as (
    insert into perdure.idempotency_keys (tenant_id, owner, agent, key, request_hash, task_id)
    select tenant, owner, agent, key, hash, id from c where key is not null)`;

/**
 * `l` locks the rows in the order of the arrays, which the committer sorts; `u` keeps the fence for the case that the
 * row changed while `l` waited for it.
 */
const appendParts = (from: number) => `
  l as materialized (
    select a.*, held.agent, held.old_state
    from unnest(${list([...APPEND_TYPES, ...CHANGE_TYPES], from)})
        with ordinality a(tenant, id, token, base, inputs, ${CHANGE}, i),
      lateral (
        select t.agent, t.state as old_state from perdure.tasks t
        where t.tenant_id = a.tenant and t.id = a.id and t.lease_token = a.token and t.last_sequence = a.base
          and (a.inputs is null or t.inputs = a.inputs) and (a.signals is null or t.signals = a.signals)
        for update) held),
  u as (
    update perdure.tasks t set
      last_sequence = a.base + a.n,
      state = coalesce(a.state, t.state),
      status = coalesce(a.status, t.status),
      status_timestamp = coalesce(a.status_at, t.status_timestamp),
      last_modified = a.at,
      snapshot = coalesce(a.snapshot, t.snapshot),
      snapshot_sequence = coalesce(a.snapshot_at, t.snapshot_sequence),
      lease_owner = case when a.release then null else t.lease_owner end,
      run_at = case when a.release then a.due else t.run_at end,
      lost = case when a.release and coalesce(a.state, t.state) = ${WORKING} then 0 else t.lost end,
      listens = a.signals is not null,
      deadline = case when a.state in (${TERMINAL}) then null else t.deadline end
    from l a
    where t.tenant_id = a.tenant and t.id = a.id and t.lease_token = a.token and t.last_sequence = a.base
    returning a.i::int4, a.tenant, a.id, a.agent, a.old_state, t.state, t.priority, t.push, a.base, a.n, a.due, a.s, a.js,
      a.jn),
  ${eventsPart('e', 'u', 'r.base')},
  ${journalPart('j', 'u')},
  d as (
    insert into perdure.outbox (tenant_id, task_id, agent, priority, run_at)
    select u.tenant, u.id, u.agent, u.priority, u.due from u where u.due is not null)`;

const CREATED = `select tenant, agent, state, 1 as delta from c`;
const MOVED = `
    select tenant, agent, old_state, -1 from u where old_state <> state
    union all select tenant, agent, state, 1 from u where old_state <> state`;

const countsPart = (changes: string) => `
  n as (
    insert into perdure.task_counts (tenant_id, agent, state, shard, count)
    select tenant, agent, state, $1::int2, sum(delta)
    from (${changes}) d(tenant, agent, state, delta)
    group by 1, 2, 3 having sum(delta) <> 0 order by 1, 2, 3
    on conflict (tenant_id, agent, state, shard) do update set count = task_counts.count + excluded.count)`;

const APPENDS_FROM = ROWS_FROM + 1 + CREATE_COLUMNS.length;
const PUSH_FROM = { create: APPENDS_FROM, both: APPENDS_FROM + APPEND_TYPES.length + CHANGE_TYPES.length };
const COUNTS = { create: countsPart(CREATED), both: countsPart(`${CREATED} union all ${MOVED}`) };
const NO_GROUPS = 'select 0 as i where false';
const HELD_GROUPS = 'select case when push is null then i else -i end from u';

const TEXTS = {
  create: `with ${SPLIT}, ${createParts()}, ${COUNTS.create} ${NO_GROUPS}`,
  append: `with ${SPLIT}, ${appendParts(ROWS_FROM)}, ${countsPart(MOVED)} ${HELD_GROUPS}`,
  both: `with ${SPLIT}, ${createParts()}, ${appendParts(APPENDS_FROM)}, ${COUNTS.both} ${HELD_GROUPS}`,
};

const createPushParts = (from: number) => `${createdPush(from)}, ${createParts(CREATED_UIDS)}, ${CREATED_PUSH_PARTS}`;

const WEBHOOK_TEXTS = {
  create: `with ${SPLIT}, ${createPushParts(PUSH_FROM.create)}, ${COUNTS.create} ${NO_GROUPS}`,
  both: `with ${SPLIT}, ${createPushParts(PUSH_FROM.both)}, ${appendParts(APPENDS_FROM)}, ${COUNTS.both} ${HELD_GROUPS}`,
};
