-- Delegations: messages that a task's handler sends to other agents, and what came of them (docs/adr/0018). One row for
-- each message, and its wait.
create table perdure.task_delegations (
  tenant_id      text           not null,
  task_id        uuid           not null,
  -- Names it to the peer too: the message's id, and the idempotency key of its sending.
  id             uuid           not null,
  -- The call that it belongs to is the one recorded there.
  turn           integer        not null,
  branch         text           not null,
  position       integer        not null,
  -- URL of the peer's card, or the id of an agent of this server.
  peer           text           not null,
  is_local       boolean        not null,
  -- SendMessageRequest as ProtoJSON.
  request        text           not null,
  -- The status of the peer's task, by a name for it, that the message answers.
  answers        text,
  -- Whether a question of the peer goes on to the task's own client; from when something has come of it: whether it is one.
  relays         boolean        not null,
  -- 1 to send, 2 to follow, 3 to tell the task, 4 the task's client is asked, 5 over.
  state          smallint       not null,
  -- The peer's name for its task.
  peer_task      text,
  -- What came of it, as JSON.
  outcome        text,
  deadline       timestamptz(3),
  -- When somebody has to look at it: while somebody does, the end of the lease; null when it is over.
  look_at        timestamptz,
  is_held        boolean        not null default false,
  -- Something happened while it was held: look again at once.
  is_hastened    boolean        not null default false,
  -- Fence: every claim raises it, and every write of a look names it.
  look_token     integer        not null default 0,
  -- Looks since it came into its state, and since when all of them have failed.
  looks          integer        not null default 0,
  failing_since  timestamptz(3),
  created_at     timestamptz(3) not null default now(),
  primary key (tenant_id, task_id, id)
);
create index task_delegations_due on perdure.task_delegations (look_at) where look_at is not null;
-- From a task of this server to whoever waits for it.
create index task_delegations_local on perdure.task_delegations (tenant_id, peer_task)
  where is_local and look_at is not null;
