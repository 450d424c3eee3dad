-- Callbacks: peers tell of the tasks that were delegated to them (docs/adr/0039). From the id in a callback's address to its
-- delegation: a row for each delegation whose peer was asked to call.
create table perdure.delegation_callbacks (
  tenant_id  text  not null,
  task_id    uuid  not null,
  id         uuid  not null,
  -- URL of the JWK set whose keys sign the peer's calls; null where it does not sign them.
  jwks       text,
  primary key (tenant_id, task_id, id)
);
-- Whoever calls names no tenant.
create index delegation_callbacks_id on perdure.delegation_callbacks (id);

-- A callback has come: the peer can reach this server, and is asked less often.
alter table perdure.task_delegations add column calls_back boolean not null default false;
-- The look that callbacks have asked for last: so that no number of them makes more than one in a second.
alter table perdure.task_delegations add column hastened_at timestamptz;
