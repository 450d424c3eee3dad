import type { AgentCardFields, AgentDefinition, FollowUps } from './define-agent.js';

/** An agent as the server runs it: a checked definition with every default filled in. */
export interface Agent {
  /** Its name in URLs, `[A-Za-z0-9_-]{1,64}`, unique in this server. */
  readonly id: string;
  /** What the author wrote of the card, with name, description, version and skills always present. */
  readonly card: AgentCardFields & Required<Pick<AgentCardFields, 'version' | 'skills'>>;
  /** Attempts in all (1 means no retry) and the first and the longest pause between them, in milliseconds. */
  readonly retry: { readonly attempts: number; readonly initialDelayMs: number; readonly maxDelayMs: number };
  /** The longest a run may take, in milliseconds. */
  readonly timeoutMs: number;
  /** The longest a run may do nothing that is seen, in milliseconds; undefined: no limit. */
  readonly inactivityMs?: number;
  /** The longest a task may live from its start, in milliseconds; undefined: no limit. */
  readonly deadlineMs?: number;
  /** What becomes of a message to a task that is running. */
  readonly followUps: FollowUps;
  /** The most runs of this agent at a time in one process; undefined: no limit of its own. */
  readonly concurrency?: number;
  /** Whether the server names it where it lists its agents. */
  readonly listed: boolean;
  /** Whether the author asked for this agent to answer at the server's root address. */
  readonly default: boolean;
  /** The file the agent was loaded from. */
  readonly source: string;
  readonly respond?: AgentDefinition['respond'];
  readonly run: AgentDefinition['run'];
  readonly onCancel?: AgentDefinition['onCancel'];
}
