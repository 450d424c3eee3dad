-- What the chaos suite adds to its own database: triggers that write down, in the very transaction, who held which lease
-- when, and each change of what nobody may change.
create schema chaos;

-- One row whenever a lease is claimed, taken away or given back, with the number of the task's newest event until then.
create table chaos.leases (
  n         bigint generated always as identity primary key,
  task      uuid not null,
  token     bigint not null,
  owner     text,
  sequence  integer not null,
  -- Milliseconds since 1970.
  at        float8 not null default extract(epoch from clock_timestamp()) * 1000
);

create table chaos.tampering (
  n     bigint generated always as identity primary key,
  task  uuid not null,
  what  text not null
);

-- The webhooks of each task: when each came, by the number of the task's newest event until then, and which have ended.
create table chaos.hooks (
  uid         uuid primary key,
  id          text,
  task        uuid,
  after       integer,
  is_dropped  boolean not null default false
);

create function chaos.note_hook() returns trigger language plpgsql as $$
begin
  insert into chaos.hooks (uid, id, task) values (new.uid, new.id, new.task_id)
    on conflict (uid) do update set id = excluded.id, task = excluded.task;
  return null;
end $$;

create function chaos.note_hooks() returns trigger language plpgsql as $$
declare
  before uuid[] := case when tg_op = 'UPDATE' then coalesce(old.push, '{}') else '{}' end;
begin
  insert into chaos.hooks (uid, after)
    select w.uid, case when tg_op = 'UPDATE' then old.last_sequence else 0 end
    from unnest(new.push) w(uid) where w.uid <> all (before)
    on conflict (uid) do update set after = excluded.after;
  update chaos.hooks set is_dropped = true where uid = any (before) and uid <> all (coalesce(new.push, '{}'));
  return null;
end $$;

create function chaos.note_birth() returns trigger language plpgsql as $$
begin
  insert into chaos.leases (task, token, owner, sequence) values (new.id, new.lease_token, new.lease_owner, 0);
  return null;
end $$;

create function chaos.note_lease() returns trigger language plpgsql as $$
begin
  insert into chaos.leases (task, token, owner, sequence)
    values (new.id, new.lease_token, new.lease_owner, old.last_sequence);
  return null;
end $$;

create function chaos.note_change() returns trigger language plpgsql as $$
begin
  insert into chaos.tampering (task, what)
    values (coalesce(new.id, old.id), 'state ' || old.state || ' became ' || coalesce(new.state::text, 'nothing'));
  return null;
end $$;

create function chaos.note_back() returns trigger language plpgsql as $$
begin
  insert into chaos.tampering (task, what) values (new.id, format('%s went back to %s',
    case when new.lease_token < old.lease_token then 'the token ' || old.lease_token else 'the sequence ' || old.last_sequence end,
    case when new.lease_token < old.lease_token then new.lease_token else new.last_sequence end));
  return null;
end $$;

create function chaos.note_event() returns trigger language plpgsql as $$
begin
  insert into chaos.tampering (task, what) values (old.task_id, 'event ' || old.sequence || ' was changed');
  return null;
end $$;

create function chaos.note_record() returns trigger language plpgsql as $$
begin
  insert into chaos.tampering (task, what) values (old.task_id, format('the record %s %s was changed', old.kind, old.name));
  return null;
end $$;

create trigger birth after insert on perdure.tasks for each row execute function chaos.note_birth();
create trigger lease after update of lease_token, lease_owner on perdure.tasks for each row
  when (new.lease_token <> old.lease_token or new.lease_owner is distinct from old.lease_owner)
  execute function chaos.note_lease();
create trigger ended after update of state on perdure.tasks for each row
  when (old.state in (3, 4, 5, 7) and new.state <> old.state) execute function chaos.note_change();
create trigger hook after insert on perdure.push_configs for each row execute function chaos.note_hook();
create trigger hooks after insert on perdure.tasks for each row when (new.push is not null)
  execute function chaos.note_hooks();
create trigger hooks_changed after update of push on perdure.tasks for each row
  when (new.push is distinct from old.push) execute function chaos.note_hooks();
create trigger removed after delete on perdure.tasks for each row execute function chaos.note_change();
create trigger back after update on perdure.tasks for each row
  when (new.lease_token < old.lease_token or new.last_sequence < old.last_sequence) execute function chaos.note_back();
create trigger rewritten after update or delete on perdure.task_events for each row execute function chaos.note_event();
create trigger rewritten after update or delete on perdure.task_journal for each row
  when (old.kind = 'step' and old.value is not null) execute function chaos.note_record();
