-- Webhooks (docs/adr/0034). A config says where the events of a task go.
create table perdure.push_configs (
  tenant_id        text           not null,
  task_id          uuid           not null,
  -- The client's name for it, or one of ours: the same name may stand at any number of tasks.
  id               text           not null,
  -- Our own name for it: it stands in tasks.push, and in the ids of its deliveries.
  uid              uuid           not null,
  owner            text           not null,
  url              text           not null,
  -- The URL's origin: health and rates are kept by it.
  endpoint         text           not null,
  -- What the receiver knows us by; token, credentials and secrets are encrypted.
  token            text,
  scheme           text,
  credentials      text,
  secret           text           not null,
  -- Signs as well, until its time is over.
  previous_secret  text,
  previous_until   timestamptz(3),
  -- Which events go out, as JSON; null: all of them.
  filter           text,
  -- The older dialect of A2A in which it is told, with what its client calls the task there; null: as A2A 1.0 has it.
  dialect          text,
  client_task_id   text,
  created_at       timestamptz(3) not null default now(),
  disabled_at      timestamptz(3),
  disabled_reason  text,
  primary key (tenant_id, task_id, id)
);
create index push_configs_uid on perdure.push_configs (uid);
create index push_configs_disabled on perdure.push_configs (tenant_id, endpoint, uid) where disabled_at is not null;

-- The uids of the task's configs, null where it has none. Whoever adds an event holds the row's lock, and so sees the newest.
alter table perdure.tasks add column push uuid[];

-- One event for one config, written with the event; what is sent stands in task_events. Numbers below 0 are tests,
-- which an operator has sent: the task as it stands.
create table perdure.push_deliveries (
  tenant_id   text           not null,
  task_id     uuid           not null,
  config_uid  uuid           not null,
  sequence    integer        not null,
  -- 0 new: nobody has woken its lane, 1 pending, 2 delivered, 3 dead, 4 skipped by the filter.
  state       smallint       not null default 0,
  -- Attempts in all; and how many have failed since it was put into the lane, or is sent again: its place in the schedule.
  attempts    integer        not null default 0,
  failures    integer        not null default 0,
  -- Not to be tried before: the pause after a failure. Of one that is settled: when it is sent again at an operator's wish,
  -- aside of the lane's order; its state stays until that succeeds.
  next_at     timestamptz,
  created_at  timestamptz(3) not null default now(),
  settled_at  timestamptz(3),
  primary key (tenant_id, task_id, config_uid, sequence)
);
create index push_deliveries_open on perdure.push_deliveries (tenant_id, task_id, config_uid, sequence) where state < 2;
create index push_deliveries_new on perdure.push_deliveries (created_at) where state = 0;
create index push_deliveries_dead on perdure.push_deliveries (tenant_id, task_id, config_uid, sequence) where state = 3;
create index push_deliveries_resent on perdure.push_deliveries (tenant_id, task_id, config_uid, next_at)
  where next_at is not null and state >= 2;
-- For the purge.
create index push_deliveries_settled on perdure.push_deliveries (settled_at) where settled_at is not null and next_at is null;

-- The queue of one config: only its head is sent, so that order holds.
create table perdure.push_lanes (
  tenant_id    text        not null,
  task_id      uuid        not null,
  config_uid   uuid        not null,
  endpoint     text        not null,
  -- When it is to be looked at: null while it is empty; the end of the handover or of the lease while somebody is at it.
  due_at       timestamptz,
  -- 0 waits, 1 handed to the queue, 2 held by a worker.
  stage        smallint    not null default 0,
  -- Fence: every handover raises it, the claim and every write of a worker name it.
  token        integer     not null default 0,
  -- Something has come while somebody was at it: look again at once.
  is_hastened  boolean     not null default false,
  -- Its config is disabled: nothing wakes it.
  is_paused    boolean     not null default false,
  -- Its config is deleted: who holds it sends nothing more, and drops it.
  is_closed    boolean     not null default false,
  primary key (tenant_id, task_id, config_uid)
) with (fillfactor = 50);
create index push_lanes_due on perdure.push_lanes (tenant_id, endpoint, due_at) where due_at is not null;
create index push_lanes_busy on perdure.push_lanes (tenant_id, endpoint) where stage > 0;

-- The health of endpoints, by tenant. One that has never failed, and has no rate to keep, has no row.
create table perdure.push_endpoints (
  tenant_id      text        not null,
  endpoint       text        not null,
  -- Attempts that have failed since the last success, and since when.
  failures       integer     not null default 0,
  failing_since  timestamptz,
  -- The breaker: nothing is sent until then; afterwards one attempt at a time, until one succeeds.
  open_until     timestamptz,
  -- When the next attempt may begin without exceeding the rate.
  allowed_at     timestamptz,
  disabled_at    timestamptz(3),
  primary key (tenant_id, endpoint)
);

-- The log of attempts.
create table perdure.push_attempts (
  tenant_id   text           not null,
  task_id     uuid           not null,
  config_uid  uuid           not null,
  sequence    integer        not null,
  attempt     integer        not null,
  at          timestamptz(3) not null,
  latency_ms  integer        not null,
  -- HTTP status, or why there was none.
  status      smallint,
  error       text,
  -- The beginning of the answer.
  response    text,
  primary key (tenant_id, task_id, config_uid, sequence, attempt)
);
create index push_attempts_at on perdure.push_attempts (at);

-- Whoever numbers new events of a task records what they mean for its webhooks, processes of the version before too. Tasks
-- without webhooks cost the condition alone, which is read anew by each statement: the shorter, the cheaper.
create function perdure.record_deliveries() returns trigger language plpgsql as $$
begin
  insert into perdure.push_deliveries (tenant_id, task_id, config_uid, sequence)
  select new.tenant_id, new.id, w.uid, k.sequence
  from unnest(new.push) w(uid), generate_series(old.last_sequence + 1, new.last_sequence) k(sequence)
  on conflict do nothing;
  return null;
end $$;
create trigger record_deliveries after update of last_sequence on perdure.tasks for each row
  when (new.push is not null) execute function perdure.record_deliveries();
