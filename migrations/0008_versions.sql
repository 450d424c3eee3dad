-- The version of the agent, from its card, with which the current turn was begun (docs/adr/0021). Null in tasks from before.
alter table perdure.tasks add column agent_version text;
