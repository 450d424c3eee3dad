export type { Agent } from './agent.js';
export { buildAgentCard, TIMESTAMPS_EXTENSION } from './agent-card.js';
export { AgentRegistry } from './agent-registry.js';
export type { AgentLog, AgentTask, CanceledTask, IncomingRequest, StepContext } from './agent-task.js';
export type { ArtifactOptions, ArtifactWriter, Content } from './content.js';
export type { AgentDefinition, FollowUps } from './define-agent.js';
export { AgentLoadError } from './agent-load-error.js';
export { loadAgents } from './load-agents.js';
export { isFail, isReject } from './refusals.js';
