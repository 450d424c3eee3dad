-- Failed tasks, for the operators' list of dead letters. Nothing else looks a task up by its state, so the planner has no
-- other use for the index (docs/adr/0004), and a task that does not fail never gets an entry.
create index tasks_failed on perdure.tasks (tenant_id, id) where state = 4;
