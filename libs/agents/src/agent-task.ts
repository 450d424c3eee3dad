import type { JsonObject, JsonValue } from '@bufbuild/protobuf';
import type { MessageJson, TaskJson } from '#protocol';
import type { ArtifactOptions, ArtifactWriter, Content } from './content.js';
import type { Duration } from './duration.js';

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
  /**
   * Fires when the task is canceled, the time of the step or of the run is up, or the process is stopping. Pass it to
   * whatever waits.
   */
  readonly signal: AbortSignal;
}

/** What a {@link AgentTask.step} does. */
export type StepFunction<T> = (context: StepContext) => Promise<T> | T;

/** What becomes of a {@link AgentTask.step} that fails, or takes long. */
export interface StepOptions {
  /** Calls the function again after an error. Without it, the first error is the step's. */
  retry?: {
    /** How many times the function may fail in one attempt of the run, 1 to 100. Default: 3. */
    attempts?: number;
    /** The pause after the first error; it doubles from one to the next, with jitter. Default: `1s`. */
    initialDelay?: Duration;
    /** The longest pause. Default: `1m`. */
    maxDelay?: Duration;
  };
  /** How long one call of the function may take. Over it, its signal fires and the call counts as failed. Default: no limit. */
  timeout?: Duration;
}

/** How long an {@link AgentTask.waitFor} waits. */
export interface WaitOptions {
  /** At most ten years. Default: no limit but the task's own `deadline`. */
  timeout?: Duration;
}

/** A message to another agent, where there is more to it than its content. */
export interface DelegatedMessage {
  readonly parts: Content;
  /** The peer's task that the message goes to. Without it, the message begins a new one. */
  readonly taskId?: string;
  /** The peer's conversation that it belongs to. */
  readonly contextId?: string;
  /** The protocol's free JSON object, of the message. */
  readonly metadata?: JsonObject;
}

/** How {@link AgentTask.delegate} goes about it. */
export interface DelegateOptions {
  /**
   * Hands questions on: where the peer's task goes to INPUT_REQUIRED or AUTH_REQUIRED, this task does so too, with the
   * peer's words, and the client's answer goes to the peer. Not in a branch of {@link AgentTask.all}. Default: false,
   * the call returns the peer's task as it is then.
   */
  readonly relay?: boolean;
  /** How long it may take in all. Over it, the peer is told to cancel, and the call throws. Default: the task's deadline. */
  readonly timeout?: Duration;
  /** The metadata of the request. */
  readonly metadata?: JsonObject;
}

/** What has come of {@link AgentTask.delegate}. */
export interface DelegationResult {
  /** The peer's task, with artifacts and without its history; undefined where it answered without one. */
  readonly task?: TaskJson;
  /** The peer's words: its answer without a task, or the message of the task's status. */
  readonly message?: MessageJson;
}

/** What a branch of {@link AgentTask.all} works with: everything but the questions to the client. */
export type BranchTask = Omit<AgentTask, 'requestInput' | 'requestAuth'>;

/** One of the branches of {@link AgentTask.all}. */
export type Branch<T> = (task: BranchTask) => Promise<T> | T;

/** What the branches of {@link AgentTask.all} come to, in the shape in which they were given. */
export type BranchResults<Branches> = { -readonly [Key in keyof Branches]: BranchResult<Branches[Key]> };

type BranchResult<Given> = Given extends (task: BranchTask) => infer Result ? Awaited<Result> : never;

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
 *    constants. Time and randomness come from {@link now}, {@link random} and {@link uuid}; the environment and module
 *    variables may differ on replay too: take them in a step. What runs side by side goes into {@link all}.
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
   * With `retry` the step itself calls the function again after an error, at no cost to the attempts of the run. A
   * pause of more than 5 s takes up nothing: the run ends there, as it does in a {@link sleep}. `Fail` and `Reject` are
   * not tried again. With `timeout` a call that takes too long fails; what it does after that counts for nothing.
   *
   * If the process dies after the effect and before the record, the function is called a second time. Where that
   * matters, give the other system an idempotency key, such as `${task.id}/charge`.
   *
   * @param name says what it does; it must be the same on every replay.
   * @param run does it. The result must be JSON (or undefined): what comes back after a replay is its JSON copy, so a
   *   `Date` is a string then, and a `Map` is empty.
   *
   * @example const rows = await task.step('load', ({ signal }) => load(url, signal));
   * @example
   * const options = { retry: { attempts: 5 }, timeout: '30s' };
   * const paid = await task.step('charge', options, ({ signal }) => charge(order, `${task.id}/charge`, signal));
   */
  step<T>(name: string, run: StepFunction<T>): Promise<T>;
  step<T>(name: string, options: StepOptions, run: StepFunction<T>): Promise<T>;

  /**
   * Waits, for a second or for a year. The time is kept in the database: neither a restart nor a crash makes it longer
   * or starts it anew. Waiting takes up nothing: the run ends here, as it does in {@link requestInput}, and `run` starts
   * again when the time has come. Meanwhile the task stays WORKING. A step that is under way beside it is waited for
   * first; whatever else is under way is dropped, so do not race a sleep against it.
   *
   * @param duration at most ten years.
   *
   * @example await task.sleep('1h');
   */
  sleep(duration: Duration): Promise<void>;

  /**
   * Waits until then, as {@link sleep} does; a time that has passed does not wait.
   *
   * @param date at most ten years from now.
   *
   * @example await task.sleepUntil(new Date('2027-01-01T00:00:00Z'));
   */
  sleepUntil(date: Date): Promise<void>;

  /**
   * Waits for a signal: a value that somebody outside sends to this task under a name, with `perdure tasks signal TASK
   * NAME JSON` or the API for operators. Each signal releases one call, the oldest first; one that comes before the call
   * is kept for it. Waiting takes up nothing: the run ends here, as it does in {@link sleep}, and `run` starts again when
   * the signal is there. Meanwhile the task stays WORKING.
   *
   * @param name 1 to 128 letters, digits, `_`, `.`, `:` or `-`, the first a letter or digit.
   * @returns the signal's value as it was sent, `null` where it was sent without one: check it like any input. With
   *   `timeout`, `undefined` when the time is over and no signal has come; one that comes later is kept for the next call.
   *
   * @example const { approved } = await task.waitFor<{ approved: boolean }>('approval');
   * @example
   * const paid = await task.waitFor('payment', { timeout: '3d' });
   * if (paid === undefined) throw new Reject('Nobody paid within three days');
   */
  waitFor<T = JsonValue>(name: string): Promise<T>;
  waitFor<T = JsonValue>(name: string, options: WaitOptions): Promise<T | undefined>;

  /**
   * Has another agent do something, and waits for what comes of it. The message is sent once, however often this task is
   * stopped and started: it has an id, which is recorded before, and goes along as its idempotency key. Other servers than
   * Perdure may not know such keys. If the process dies, or the connection breaks, between the sending and the
   * answer, one of those may get the message twice, unless its ListTasks shows the first one.
   *
   * Waiting takes up nothing, for days if need be: the run ends here, as it does in {@link requestInput}. A peer that does
   * not answer is asked again, with growing pauses, for `PERDURE_PEER_OUTAGE`. When this task is canceled or fails,
   * or ends without waiting for the call, the peer's task is canceled. The peer is told this task's deadline, its
   * trace (`traceparent`), and how often the work was delegated, so that a circle of agents ends.
   *
   * @param peer URL of the other agent's card, or of the agent below which the card is at `/.well-known/agent-card.json`; or
   *   the id of an agent of this server. The latter runs for the same tenant and caller. A card may name addresses of
   *   its own origin only; `PERDURE_PEERS` allows others, and refuses all that it does not name. So set it where the
   *   URL comes from a client.
   * @throws DelegationError when the peer's task fails, is rejected or canceled, or nothing can come of it any more.
   *
   * @example
   * const { message } = await task.delegate('https://translate.example/agents/french', 'Translate: good morning');
   * @example const { task: found } = await task.delegate('research', question, { relay: true, timeout: '2h' });
   */
  delegate(peer: string, message: Content | DelegatedMessage, options?: DelegateOptions): Promise<DelegationResult>;

  /** The time of this call, the same on every replay. It is the database's clock, so all machines agree on it. */
  now(): Promise<Date>;

  /** A random number from 0 to below 1, the same on every replay. Not for secrets. */
  random(): Promise<number>;

  /** A random UUID (version 4), the same on every replay: a good idempotency key for other systems. */
  uuid(): Promise<string>;

  /**
   * Does several things side by side, each in a branch of its own, and returns their results under the same names. Use
   * it in place of `Promise.all` wherever a branch makes more than one call: here each branch has its own order of calls,
   * so the replay is right however they overlap.
   *
   * A branch works with the `task` it is given, never with the one outside. It may do everything but ask the client:
   * answers come in the order of the questions, and branches have none. A branch that sleeps lets the others go on; the
   * run ends there when all of them wait. When one throws, those that are at work go on until they end or wait; then the
   * error of the first in line is thrown. The results are not recorded, only what the branches have done.
   *
   * @param branches by name (up to 64 letters, digits, `_` or `-`), or as a list. They must be the same on every replay.
   *
   * @example
   * const { flight, hotel } = await task.all({
   *   flight: (task) => task.step('flight', () => bookFlight(trip)),
   *   hotel: async (task) => {
   *     await task.sleep('10m');
   *     return task.step('hotel', () => bookHotel(trip));
   *   },
   * });
   * @example const pages = await task.all(urls.map((url) => (task) => task.step('load', () => load(url))));
   */
  all<const Branches extends readonly Branch<unknown>[] | Readonly<Record<string, Branch<unknown>>>>(
    branches: Branches,
  ): Promise<BranchResults<Branches>>;
}
