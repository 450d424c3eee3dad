-- Signals: values that others send to a task by name, for the calls of its handler that wait for them (docs/adr/0017).
-- Which call took which signal is what the journal says.
create table perdure.task_signals (
  tenant_id   text           not null,
  task_id     uuid           not null,
  -- 1, 2, 3 … within the task, in the order in which they came.
  ordinal     integer        not null,
  name        text           not null,
  -- JSON.
  value       text           not null,
  -- A signal that is sent again under the same name and key counts once.
  key         text,
  created_at  timestamptz(3) not null default now()
);
create unique index task_signals_key on perdure.task_signals (tenant_id, task_id, name, key) where key is not null;
alter table perdure.task_signals add primary key (tenant_id, task_id, ordinal);

alter table perdure.tasks
  -- Rows in task_signals: the ordinal of the newest one.
  add column signals integer not null default 0,
  -- Whether the run has ended to wait for a signal: the next one makes the task due.
  add column listens boolean not null default false;
