-- Where a recorded call stands: '' in the handler itself, else the path of the parallel branch or step it belongs to,
-- such as '3.left' (docs/adr/0015).
alter table perdure.task_journal add column branch text not null default '';
alter table perdure.task_journal
  drop constraint task_journal_pkey,
  add primary key (tenant_id, task_id, turn, branch, position);

-- Jobs that are due, earliest first: timers wait here until then (docs/adr/0016).
create index outbox_due on perdure.outbox (run_at, id);
