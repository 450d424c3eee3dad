import type { AgentCardJson, AgentExtensionJson, MessageJson } from '#protocol';
import type { AgentTask, CanceledTask, IncomingRequest } from './agent-task.js';
import type { Content } from './content.js';
import type { Duration } from './duration.js';

const AGENT_MARK = Symbol.for('perdure.agent');

/**
 * Declares an agent; its result is the default export of an `*.agent.ts` (or `.js`) file. Perdure checks the
 * definition when it loads the file and names every wrong field. Throws a TypeError when there is no definition.
 *
 * @example
 * import { defineAgent } from 'perdure';
 *
 * export default defineAgent({
 *   card: { name: 'Echo', description: 'Says what you say.' },
 *   run: async (task) => task.message.parts ?? [],
 * });
 */
export function defineAgent(definition: AgentDefinition): AgentDefinition {
  if (typeof definition !== 'object' || definition === null) throw new TypeError('defineAgent takes an object');
  return Object.defineProperty(definition, AGENT_MARK, { value: true });
}

/** Whether the value came from {@link defineAgent}, of this or of any other loaded copy of the SDK. */
export function isAgentDefinition(value: unknown): value is AgentDefinition {
  return typeof value === 'object' && value !== null && AGENT_MARK in value;
}

/** An agent: what it is, how it is run, and the code that does the work. */
export interface AgentDefinition {
  /** Its name in URLs: 1 to 64 letters, digits, `_` or `-`. Default: the file's name without `.agent.ts`. */
  id?: string;
  /** What clients read about the agent. The server adds what only it can know: addresses, capabilities, security. */
  card: AgentCardFields;
  /** What happens after an error. Fields that are left out come from the server's configuration. */
  retry?: RetryPolicy;
  /** How long one run may take, waiting for input not counted. Over it, the run counts as failed and is retried. */
  timeout?: Duration;
  /** How long a task may live, waiting included; then it ends as FAILED. A client may ask for less. Default: no limit. */
  deadline?: Duration;
  /**
   * How long a run may go without a sign of life: no call on the task, nothing emitted, and no step with a `timeout` of
   * its own under way. Over it, the run counts as failed and is retried. Default: no limit but the `timeout`.
   */
  inactivity?: Duration;
  /** What becomes of a message to a task that is running. Default: `queue`. */
  followUps?: FollowUps;
  /** How many runs of this agent one worker process does at a time. Default: as many as the worker has room for. */
  concurrency?: number;
  /**
   * Whether the server names this agent where it lists its agents: `/.well-known/ai-catalog.json`, `/agents` and the front page.
   * An agent that is not listed is served all the same to who knows its id. Default: true.
   */
  listed?: boolean;
  /** Whether this agent answers at the server's root address. Default: the first agent by id does. */
  default?: boolean;
  /**
   * Answers a new message at once, without a task: give the answer, or undefined to make it a task. Meant for
   * small talk and quick facts: it is not durable, not retried, and the client waits for it.
   */
  respond?(request: IncomingRequest): Promise<Content | MessageJson | undefined> | Content | MessageJson | undefined;
  /**
   * Does the work of a task. Return the closing words (the task ends as COMPLETED with them), or nothing. Throw
   * `Reject` to end it as REJECTED, `Fail` to end it as FAILED; any other error leads to another attempt.
   * It can be stopped and started again at any point: {@link AgentTask} says what that asks of the code.
   */
  run(task: AgentTask): Promise<Content | MessageJson | void> | Content | MessageJson | void;
  /**
   * Cleans up outside after a task was canceled: releases a hold, stops a machine. The task is CANCELED already, and its
   * run has been told through `task.signal`. It may be called more than once.
   */
  onCancel?(task: CanceledTask): Promise<void> | void;
}

/**
 * What becomes of a message to a task whose run is under way: `queue` starts the next turn with it when the run has
 * ended, `reject` refuses it, `interrupt` stops the run and starts the next turn at once.
 */
export type FollowUps = 'queue' | 'reject' | 'interrupt';

/** How a run that threw an error is tried again: after delays that double from one attempt to the next, with jitter. */
export interface RetryPolicy {
  /** How many times a run may be started in all, 1 to 100. 1 means no retry. */
  attempts?: number;
  /** The pause after the first error. */
  initialDelay?: Duration;
  /** The longest pause. */
  maxDelay?: Duration;
}

/** The part of the protocol's AgentCard that the author writes. */
export interface AgentCardFields extends Pick<
  AgentCardJson,
  'provider' | 'documentationUrl' | 'iconUrl' | 'defaultInputModes' | 'defaultOutputModes' | 'skills'
> {
  /** The agent's name, for people. */
  name: string;
  /** What the agent does, for people and for other agents that choose among agents. */
  description: string;
  /** The agent's own version. Default: `1.0.0`. */
  version?: string;
  /** What the agent can do beyond the basics. The other capabilities are the server's to fill in. */
  capabilities?: {
    /** Whether clients may follow its tasks live. Without it, streaming operations are refused. Default: true. */
    streaming?: boolean;
    /**
     * Whether clients may have themselves told of its tasks by webhooks. Without it, the operations on webhooks are refused, as they
     * are at a server that has no secret key. Default: true.
     */
    pushNotifications?: boolean;
    /** Protocol extensions the agent speaks. */
    extensions?: AgentExtensionJson[];
  };
}
