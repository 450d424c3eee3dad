-- Results of steps that are too large to be read at each replay: the record in task_journal has `@` and the size in bytes
-- as its value, the result stands here (docs/adr/0024). Written before its record, under the same lease.
create table perdure.task_results (
  tenant_id  text    not null,
  task_id    uuid    not null,
  turn       integer not null,
  branch     text    not null,
  position   integer not null,
  -- JSON.
  value      text    not null,
  primary key (tenant_id, task_id, turn, branch, position)
);
