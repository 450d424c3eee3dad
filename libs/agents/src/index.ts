export type { Agent } from './agent.js';
export {
  buildAgentCard,
  canPush,
  canStream,
  IDEMPOTENCY_EXTENSION,
  PRIORITY_EXTENSION,
  PUSH_FILTER_EXTENSION,
  SCHEDULING_EXTENSION,
  TIMESTAMPS_EXTENSION,
} from './agent-card.js';
export { AgentRegistry } from './agent-registry.js';
export type {
  AgentLog,
  AgentTask,
  Branch,
  BranchResults,
  CanceledTask,
  DelegatedMessage,
  DelegateOptions,
  DelegationResult,
  IncomingRequest,
  StepFunction,
  StepOptions,
  WaitOptions,
} from './agent-task.js';
export { type DelegatePolicy, delegatePolicy } from './delegate-policy.js';
export { DelegationError, type DelegationProblem, isDelegationError } from './delegation-error.js';
export type { ArtifactOptions, ArtifactWriter, Content } from './content.js';
export type { AgentDefinition, FollowUps } from './define-agent.js';
export { AgentLoadError } from './agent-load-error.js';
export { loadAgents } from './load-agents.js';
export { isFail, isReject } from './refusals.js';
export { type StepPolicy, stepPolicy } from './step-policy.js';
