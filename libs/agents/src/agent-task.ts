import type { JsonObject } from '@bufbuild/protobuf';
import type { MessageJson } from '#protocol';
import type { ArtifactOptions, ArtifactWriter, Content } from './content.js';

/** Writes a log line that carries tenant, agent and task: a text, or fields (an `Error` too) and a text. */
export interface AgentLog {
  info(message: string): void;
  info(fields: object, message?: string): void;
  warn(message: string): void;
  warn(fields: object, message?: string): void;
  error(message: string): void;
  error(fields: object, message?: string): void;
}

/** What the function of a {@link AgentTask.step} gets. */
export interface StepContext {
  /** Fires when the task is canceled, the run's time is up, or the process is stopping. Pass it to whatever waits. */
  readonly signal: AbortSignal;
}

/** A message that has not become a task yet, as {@link AgentDefinition.respond} sees it. */
export interface IncomingRequest {
  /** The client's message. */
  readonly message: MessageJson;
  /** The tenant the caller belongs to. */
  readonly tenant: string;
  /** The authenticated caller. */
  readonly principal: string;
  /** The metadata of the request (not of the message); empty if there was none. */
  readonly metadata: JsonObject;
  /** The URIs of the protocol extensions the caller asked for. */
  readonly extensions: readonly string[];
  /** Fires when the caller has gone away or the process is stopping. */
  readonly signal: AbortSignal;
}

/** A task that was canceled, as {@link AgentDefinition.onCancel} sees it. Its state is final: there is nothing to emit. */
export interface CanceledTask {
  /** The task's id. */
  readonly id: string;
  /** The id of the conversation the task belongs to. */
  readonly contextId: string;
  /** The tenant the task belongs to. */
  readonly tenant: string;
  /** The authenticated caller who started the task. */
  readonly principal: string;
  /** The message that began the turn that was canceled. */
  readonly message: MessageJson;
  /** All messages of the task, oldest first. */
  readonly history: readonly MessageJson[];
  /** The metadata of the request that began the turn; empty if there was none. */
  readonly metadata: JsonObject;
  /** Writes log lines that carry tenant, agent and task. */
  readonly log: AgentLog;
  /** Fires when the time for cleaning up is over. */
  readonly signal: AbortSignal;
}

/**
 * One task in the hands of {@link AgentDefinition.run}: what was asked, and the durable calls to work on it.
 *
 * **Replay.** `run` can be stopped anywhere (a crash, a deploy, a retry, a wait for input), and then starts again from
 * the top, perhaps on another machine. Every awaited call on `task` is recorded, in order. When `run` comes to a call
 * that is recorded already, the call returns what was recorded and does nothing, so `run` gets back to where it was
 * within milliseconds. Three rules follow:
 *
 * 1. **Effects outside belong in a step.** A request to another system, a payment, an e-mail: inside {@link step}
 *    it happens once and its result is kept. Outside of a step it happens again on every replay.
 * 2. **The way to the next call must be the same each time.** Decide by the message, by recorded results and by
 *    constants. Time, randomness, the environment and module variables may differ on replay: take them in a step too.
 *    A call whose kind or name differs from the recorded one ends the task as FAILED, with an explanation in the log.
 * 3. **Let the errors of these calls pass.** They mean that this run is over: canceled, timed out, taken over by another
 *    worker, or due for the next attempt. `finally` is fine for what is local.
 *
 * A handler that uses no calls at all is fine too: it is simply run again.
 */
export interface AgentTask {
  /** The task's id: unique for ever, the same on every attempt, so it makes a good idempotency key for other systems. */
  readonly id: string;
  /** The id of the conversation the task belongs to. */
  readonly contextId: string;
  /** The tenant the task belongs to. */
  readonly tenant: string;
  /** The authenticated caller who started the task. */
  readonly principal: string;
  /** The message that began this turn. */
  readonly message: MessageJson;
  /** All messages of the task up to this turn's message, oldest first, the agent's own included. */
  readonly history: readonly MessageJson[];
  /** The metadata of the request that began this turn (not of the message); empty if there was none. */
  readonly metadata: JsonObject;
  /** 1 for the first attempt, one more after every error. Waiting, crashes of the server and deploys do not count. */
  readonly attempt: number;
  /** Fires when the task is canceled, the run's `timeout` is over, or the process is stopping. */
  readonly signal: AbortSignal;
  /** Writes log lines that carry tenant, agent, task and attempt. Lines are written again on replay. */
  readonly log: AgentLog;
  /** The URIs of the protocol extensions the caller asked for. */
  readonly extensions: readonly string[];

  /**
   * Tells the client how it goes: a status event with state WORKING and this message.
   *
   * @example await task.status('Reading the ledger');
   */
  status(content: Content): Promise<void>;

  /**
   * Opens an artifact, a result of the task. Clients get every chunk as it is appended.
   *
   * @example await task.artifact({ name: 'total.txt' }).write('42');
   * @example
   * const report = task.artifact({ name: 'report.md', mediaType: 'text/markdown' });
   * for await (const chunk of write(rows)) await report.append(chunk);
   * await report.close();
   */
  artifact(options?: ArtifactOptions): ArtifactWriter;

  /**
   * Asks the client for something and waits for the answer: the task goes to INPUT_REQUIRED with this content, and the
   * call returns the client's next message, minutes or weeks later. Waiting takes up nothing: this run ends here
   * (code after the call, `finally` included, does not run now) and `run` starts again when the answer is there. So
   * hold no connection, lock or timer across it.
   *
   * @example const answer = await task.requestInput('Which quarter?');
   */
  requestInput(content: Content): Promise<MessageJson>;

  /**
   * Asks the client to authorise something (a payment, access to an account) and waits like {@link requestInput}: the
   * task goes to AUTH_REQUIRED, and the call returns the client's next message. Whether that message grants it is for
   * the agent to judge.
   */
  requestAuth(content: Content): Promise<MessageJson>;

  /**
   * Does something once. The result is recorded under the name, and from then on every replay returns the recorded
   * result without calling the function. An error is not recorded: let it pass, and the next attempt calls the
   * function again. To go on after a failure, catch it inside of the function and return what happened.
   *
   * If the process dies after the effect and before the record, the function is called a second time. Where that
   * matters, give the other system an idempotency key, such as `${task.id}/charge`.
   *
   * @param name says what it does; it must be the same on every replay.
   * @param run does it. The result must be JSON (or undefined): what comes back after a replay is its JSON copy, so a
   *   `Date` is a string then, and a `Map` is empty.
   *
   * @example const rows = await task.step('load', ({ signal }) => load(url, signal));
   */
  step<T>(name: string, run: (context: StepContext) => Promise<T> | T): Promise<T>;
}
