-- Tasks and everything a task owns. Every table starts with the tenant.
create schema if not exists perdure;

-- One narrow row per task: what the lists, the claims and the fences need. Artifacts live in the events and the snapshot.
create table perdure.tasks (
  tenant_id          text           not null,
  id                 uuid           not null,
  agent              text           not null,
  context_id         text           not null,
  owner              text           not null,
  -- A2A TaskState by number, and the whole TaskStatus as ProtoJSON.
  state              smallint       not null,
  status             text           not null,
  status_timestamp   timestamptz(3) not null,
  created_at         timestamptz(3) not null,
  last_modified      timestamptz(3) not null,
  -- Number of the newest event.
  last_sequence      integer        not null,
  -- Artifacts as they stood after event snapshot_sequence, as a ProtoJSON Task with artifacts only.
  snapshot           text,
  snapshot_sequence  integer        not null default 0,
  -- Rows in task_messages, and how many of them came from the client.
  messages           integer        not null,
  inputs             integer        not null,
  -- A turn is one call of the handler from its top to its return; turn_input is the client message that began it.
  turn               integer        not null default 1,
  turn_input         integer        not null default 1,
  -- Fence: every claim, takeover and cancel raises it, every write of a run names it.
  lease_token        bigint         not null,
  lease_owner        text,
  -- When a claim is due: now for a ready task, the lease's end while a run holds it, null when there is nothing to run.
  run_at             timestamptz,
  -- Failures of the handler, and of the workers under it, in this turn.
  attempt            integer        not null default 0,
  lost               integer        not null default 0,
  deadline           timestamptz(3)
) with (fillfactor = 90);

create index tasks_by_status_time on perdure.tasks (tenant_id, agent, status_timestamp, id);
create index tasks_by_context on perdure.tasks (tenant_id, context_id, status_timestamp, id);
create index tasks_due on perdure.tasks (run_at) where run_at is not null;
create index tasks_deadline on perdure.tasks (deadline) where deadline is not null;
-- The key is made last: on an empty table every index costs the same, and the planner then takes the newest (docs/adr/0004).
alter table perdure.tasks add primary key (tenant_id, id);

-- The log: StreamResponse as ProtoJSON, append-only, numbered without gaps.
create table perdure.task_events (
  tenant_id   text           not null,
  task_id     uuid           not null,
  sequence    integer        not null,
  event       text           not null,
  created_at  timestamptz(3) not null default now(),
  primary key (tenant_id, task_id, sequence)
);

-- History: Message as ProtoJSON. input numbers the client's own messages 1, 2, 3 …; request holds the metadata and
-- extensions of the call that brought such a message, as JSON.
create table perdure.task_messages (
  tenant_id  text    not null,
  task_id    uuid    not null,
  ordinal    integer not null,
  input      integer,
  message    text    not null,
  request    text,
  primary key (tenant_id, task_id, ordinal)
);

-- Recorded results of a handler's durable calls, by turn and by the call's place in it.
create table perdure.task_journal (
  tenant_id  text    not null,
  task_id    uuid    not null,
  turn       integer not null,
  position   integer not null,
  kind       text    not null,
  name       text,
  value      text,
  primary key (tenant_id, task_id, turn, position)
);

-- Jobs to publish to the queue, written with the change that wants them.
create table perdure.outbox (
  id         bigint generated always as identity primary key,
  tenant_id  text           not null,
  task_id    uuid           not null,
  run_at     timestamptz    not null
);

-- What an idempotency key stands for: a task, or the Message that answered without one.
create table perdure.idempotency_keys (
  tenant_id     text           not null,
  owner         text           not null,
  agent         text           not null,
  key           text           not null,
  request_hash  text           not null,
  task_id       uuid,
  response      text,
  created_at    timestamptz(3) not null default now(),
  primary key (tenant_id, owner, agent, key)
);
create index idempotency_keys_age on perdure.idempotency_keys (created_at);

-- How many tasks stand in each state; the sum over the shards is exact (docs/adr/0005).
create table perdure.task_counts (
  tenant_id  text     not null,
  agent      text     not null,
  state      smallint not null,
  shard      smallint not null,
  count      bigint   not null,
  primary key (tenant_id, agent, state, shard)
) with (fillfactor = 50);
