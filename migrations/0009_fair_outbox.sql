-- What the relay needs to take jobs fairly (docs/adr/0028): by tenant, by agent, by priority, then by due time. All of it has
-- a default, so that processes of the version before go on writing: their jobs have the agent '' until a relay fills it in.
alter table perdure.outbox add column agent text not null default '';
-- 0 high, 1 normal, 2 low: jobs come in this order within a tenant.
alter table perdure.outbox add column priority smallint not null default 1;
-- For a loose scan over the lanes, and for the jobs of one of them in the order of their due times.
create index outbox_lanes on perdure.outbox (tenant_id, agent, priority, run_at, id);
-- Whether a task has a job.
create index outbox_tasks on perdure.outbox (tenant_id, task_id);

-- What the task's client asked for; every job of the task has it.
alter table perdure.tasks add column priority smallint not null default 1;
