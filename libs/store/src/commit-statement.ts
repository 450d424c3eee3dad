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

const TERMINAL = '3, 4, 5, 7';

const CREATE_TYPES = [
  ...['text', 'uuid', 'text', 'text', 'text', 'int2', 'json', 'json', 'json', 'json', 'json'],
  ...['timestamptz', 'timestamptz', 'text', 'text', 'text'],
];
const APPEND_TYPES = [
  ...['text', 'uuid', 'int8', 'int4', 'int4', 'timestamptz', 'int2', 'json', 'timestamptz', 'json', 'int4'],
  ...['int4', 'bool', 'timestamptz', 'int4', 'int4', 'int4'],
];
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
  return plain(dates.map((date) => date?.toISOString()));
}

const WORD = /^[A-Za-z0-9_.-]+$/;

/** An array literal of routing names. They come checked; one that does not look like it is left to pg's own escaping. */
function words(values: readonly string[]): string | readonly string[] {
  return values.every((value) => WORD.test(value)) ? `{"${values.join('","')}"}` : values;
}

/**
 * The whole flush as one statement, so that it is one round trip and one commit. It has three shapes: creates,
 * appends, or both. The answer has a row for each append group that still held its lease: the group's place, from 1.
 */
export function commitStatement(
  creates: readonly CreateWrite[],
  groups: readonly AppendGroup[],
  settings: { readonly leaseMs: number; readonly shard: number },
): CommitStatement {
  const shape = creates.length === 0 ? 'append' : groups.length === 0 ? 'create' : 'both';
  const values: unknown[] = [settings.shard];
  if (shape !== 'append') values.push(settings.leaseMs, ...createValues(creates));
  if (shape !== 'create') values.push(...appendValues(groups));
  return { name: `commit-${shape}`, text: TEXTS[shape], values };
}

function createValues(creates: readonly CreateWrite[]): unknown[] {
  return [
    words(creates.map((w) => w.tenantId)),
    plain(creates.map((w) => w.taskId)),
    words(creates.map((w) => w.agent)),
    creates.map((w) => w.contextId),
    creates.map((w) => w.owner),
    plain(creates.map((w) => w.state)),
    joined(creates.map((w) => w.status)),
    joined(creates.map((w) => w.event)),
    joined(creates.map((w) => w.startEvent)),
    joined(creates.map((w) => w.message)),
    joined(creates.map((w) => w.request)),
    times(creates.map((w) => w.at)),
    times(creates.map((w) => w.deadline)),
    creates.map((w) => w.leaseOwner),
    creates.map((w) => w.idempotency?.key ?? null),
    creates.map((w) => w.idempotency?.requestHash ?? null),
  ];
}

function appendValues(groups: readonly AppendGroup[]): unknown[] {
  const rows = groups.map(mergedRow);
  const events = rows.flatMap((row) => row.events);
  const journal = rows.flatMap((row) => row.journal);
  let nextEvent = 1;
  let nextRecord = 1;
  const eventStarts = rows.map((row) => (nextEvent += row.events.length) - row.events.length);
  const recordStarts = rows.map((row) => (nextRecord += row.journal.length) - row.journal.length);
  return [
    words(rows.map((row) => row.first.tenantId)),
    plain(rows.map((row) => row.first.taskId)),
    plain(rows.map((row) => row.first.token)),
    plain(rows.map((row) => row.first.base)),
    plain(rows.map((row) => row.events.length)),
    times(rows.map((row) => row.last.at)),
    plain(rows.map((row) => row.status?.status?.state)),
    joined(rows.map((row) => row.status?.status?.text)),
    times(rows.map((row) => row.status?.at)),
    joined(rows.map((row) => row.snapshot?.snapshot)),
    plain(rows.map((row) => row.snapshot && row.snapshot.base + row.snapshot.events.length)),
    plain(rows.map((row) => row.last.inputs)),
    plain(rows.map((row) => row.last.release ?? false)),
    times(rows.map((row) => row.last.due)),
    plain(eventStarts),
    plain(recordStarts),
    plain(rows.map((row) => row.journal.length)),
    joined(events),
    joined(journal.map((record) => record.value)),
    plain(journal.map((record) => record.turn)),
    journal.map((record) => record.branch),
    plain(journal.map((record) => record.position)),
    journal.map((record) => record.kind),
    journal.map((record) => record.name),
  ];
}

function mergedRow({ writes }: AppendGroup) {
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

/** `$from` is the lease in milliseconds, the arrays follow. */
const createParts = (from: number) => `
  c as materialized (
    select * from unnest(${list(CREATE_TYPES, from + 1)})
      c(tenant, id, agent, context, owner, state, status, event, start_event, message, request, at, deadline, lease_owner, key, hash)),
  ct as (
    insert into perdure.tasks (tenant_id, id, agent, context_id, owner, state, status, status_timestamp, created_at,
      last_modified, last_sequence, messages, inputs, lease_token, lease_owner, run_at, deadline)
    select tenant, id, agent, context, owner, state, status, at, at, at,
      case when start_event is null then 1 else 2 end, 1, 1,
      case when lease_owner is null then 0 else 1 end, lease_owner,
      case when lease_owner is null then now() else now() + $${from}::int4 * interval '1 ms' end, deadline from c),
  cm as (
    insert into perdure.task_messages (tenant_id, task_id, ordinal, input, message, request)
    select tenant, id, 1, 1, message, request from c),
  ce as (
    insert into perdure.task_events (tenant_id, task_id, sequence, event)
    select tenant, id, 1, event from c union all select tenant, id, 2, start_event from c where start_event is not null),
  co as (insert into perdure.outbox (tenant_id, task_id, run_at) select tenant, id, now() from c where lease_owner is null),
  ck as (
    insert into perdure.idempotency_keys (tenant_id, owner, agent, key, request_hash, task_id)
    select tenant, owner, agent, key, hash, id from c where key is not null)`;

/**
 * `l` locks the rows in the order of the arrays, which the committer sorts; `u` keeps the fence for the case that the
 * row changed while `l` waited for it. Slices hand each row its own events and journal records, from arrays that `x`
 * splits once.
 */
const appendParts = (from: number) => {
  const texts = from + APPEND_TYPES.length;
  const journal = JOURNAL_TYPES.map((type, i) => `($${texts + 2 + i}::${type}[])[u.js:u.js+u.jn-1]`);
  return `
  x as materialized (select ${split(texts)} as events, ${split(texts + 1)} as results),
  l as materialized (
    select a.*, held.agent, held.old_state
    from unnest(${list(APPEND_TYPES, from)}) with ordinality
        a(tenant, id, token, base, n, at, state, status, status_at, snapshot, snapshot_at, inputs, release, due,
          s, js, jn, i),
      lateral (
        select t.agent, t.state as old_state from perdure.tasks t
        where t.tenant_id = a.tenant and t.id = a.id and t.lease_token = a.token and t.last_sequence = a.base
          and (a.inputs is null or t.inputs = a.inputs)
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
      deadline = case when a.state in (${TERMINAL}) then null else t.deadline end
    from l a
    where t.tenant_id = a.tenant and t.id = a.id and t.lease_token = a.token and t.last_sequence = a.base
    returning a.i::int4, a.tenant, a.id, a.agent, a.old_state, t.state, a.base, a.n, a.due, a.s, a.js, a.jn),
  e as (
    insert into perdure.task_events (tenant_id, task_id, sequence, event)
    select u.tenant, u.id, u.base + v.k::int4, v.event
    from u, x, unnest(x.events[u.s:u.s+u.n-1]) with ordinality v(event, k)),
  j as (
    insert into perdure.task_journal (tenant_id, task_id, turn, branch, position, kind, name, value)
    select u.tenant, u.id, r.turn, r.branch, r.position, r.kind, r.name, r.value
    from u, x, unnest(${journal.join(', ')}, x.results[u.js:u.js+u.jn-1]) r(turn, branch, position, kind, name, value)
    where u.jn > 0),
  d as (
    insert into perdure.outbox (tenant_id, task_id, run_at)
    select u.tenant, u.id, u.due from u where u.due is not null)`;
};

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

const TEXTS = {
  create: `with ${createParts(2)}, ${countsPart(CREATED)} select 0 as i where false`,
  append: `with ${appendParts(2)}, ${countsPart(MOVED)} select i from u`,
  both: `with ${createParts(2)}, ${appendParts(3 + CREATE_TYPES.length)},
    ${countsPart(`${CREATED} union all ${MOVED}`)} select i from u`,
};
