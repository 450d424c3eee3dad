/**
 * The agent SDK: what `import … from 'perdure'` gives in an agent file.
 * Nothing here has an import at run time, so an agent file loads from any folder.
 */
export { defineAgent } from './define-agent.js';
export type { AgentCardFields, AgentDefinition, FollowUps, RetryPolicy } from './define-agent.js';
export { DelegationError, type DelegationProblem } from './delegation-error.js';
export { Fail, Reject } from './refusals.js';
export type { Duration } from './duration.js';
export type { ArtifactOptions, ArtifactWriter, Content } from './content.js';
export type {
  AgentLog,
  AgentTask,
  Branch,
  BranchResults,
  BranchTask,
  CanceledTask,
  DelegatedMessage,
  DelegateOptions,
  DelegationResult,
  IncomingRequest,
  StepContext,
  StepFunction,
  StepOptions,
  WaitOptions,
} from './agent-task.js';
export type { ArtifactJson, MessageJson, PartJson, RoleJson, TaskJson } from '#protocol';
