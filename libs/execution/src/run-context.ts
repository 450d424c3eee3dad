import { randomUUID } from 'node:crypto';
import { type JsonObject } from '@bufbuild/protobuf';
import {
  type AgentLog,
  type AgentTask,
  type ArtifactOptions,
  type ArtifactWriter,
  type Branch,
  type BranchResults,
  type Content,
  type DelegatedMessage,
  type DelegateOptions,
  delegatePolicy,
  type DelegationResult,
  type StepFunction,
  type StepOptions,
  stepPolicy,
  type WaitOptions,
} from '#agents';
import { parseDuration } from '#platform';
import { type MessageJson, type Part, TaskState } from '#protocol';
import { InputPendingError } from '#store';
import {
  agentMessage,
  artifactOf,
  assertText,
  isSignalName,
  partsOf,
  SIGNAL_NAME_RULE,
  statusEvent,
  taskStatus,
} from '#tasks';
import { ArtifactEmitter } from './artifact-emitter.js';
import { namedBranches } from './branch-names.js';
import { type AskClient, DelegatedCall } from './delegation/delegated-call.js';
import { DurableStep } from './durable-step.js';
import { DurableWait } from './durable-wait.js';
import { InvalidCallError } from './handler-errors.js';
import { runBranches } from './parallel-branches.js';
import { peerName } from './delegation/peer-name.js';
import { type RecordedCall } from './run-journal.js';
import { type RunTurn } from './run-turn.js';
import { type Strand } from './run-waits.js';

const MAX_SLEEP_MS = 3_653 * 86_400_000;

/** What a call waits on for ever when its run has ended: whoever holds the promise is dropped with it. */
const never = () => new Promise<never>(() => undefined);

/** The `task` object in the hands of a handler, or of one of its branches: one turn of one run. */
export class RunContext implements AgentTask {
  readonly id: string;
  readonly contextId: string;
  readonly tenant: string;
  readonly principal: string;
  readonly metadata: JsonObject;
  readonly attempt: number;
  readonly extensions: readonly string[];
  readonly log: AgentLog;

  constructor(
    private readonly turn: RunTurn,
    private readonly calls = turn.journal.calls(),
    private readonly strand: Strand = turn.waits.handler,
  ) {
    const { run } = turn;
    const input = run.inputs[run.turnInput - 1]!;
    this.id = run.task.id;
    this.contextId = run.task.contextId;
    this.tenant = run.lease.tenantId;
    this.principal = run.owner;
    this.metadata = input.request.metadata;
    this.extensions = input.request.extensions;
    this.attempt = run.attempt + 1;
    this.log = turn.log;
  }

  get signal(): AbortSignal {
    return this.turn.active.signal;
  }

  get message(): MessageJson {
    return this.turn.message;
  }

  get history(): readonly MessageJson[] {
    return this.turn.history;
  }

  /** The call that stands for the handler's return. */
  returned(): RecordedCall {
    return this.calls.next('return');
  }

  status(content: Content): Promise<void> {
    return this.turn.watched(this.emitStatus(content));
  }

  artifact(options: ArtifactOptions = {}): ArtifactWriter {
    this.turn.assertGoing();
    const artifact = artifactOf({ ...options, artifactId: options.artifactId ?? '' });
    const call = this.call('artifact', artifact.name || null);
    artifact.artifactId ||= `artifact-${call.place}`;
    return new ArtifactEmitter(this.turn, call, artifact, options.mediaType);
  }

  step<T>(name: string, ...rest: [StepFunction<T>] | [StepOptions, StepFunction<T>]): Promise<T> {
    const [options, run] = rest.length === 1 ? [{}, rest[0]] : rest;
    return this.turn.watched(this.runStep(name, options, run));
  }

  sleep(duration: number | string): Promise<void> {
    return this.turn.watched(this.wait(() => spanOf(duration, 'task.sleep')));
  }

  sleepUntil(date: Date): Promise<void> {
    return this.turn.watched(this.wait((now) => timeOf(date) - now));
  }

  waitFor<T>(name: string, options: WaitOptions = {}): Promise<T> {
    return this.turn.watched(this.waitForSignal(name, options)) as Promise<T>;
  }

  delegate(
    peer: string,
    message: Content | DelegatedMessage,
    options: DelegateOptions = {},
  ): Promise<DelegationResult> {
    return this.turn.watched(this.delegateTo(peer, message, options));
  }

  /** Noted, and not waited for: what depends on it, a step or a wait, is committed after it or not at all. */
  now(): Promise<Date> {
    const noted = this.noted('now', () => this.turn.clock.now());
    return this.turn.watched(noted.then((time) => new Date(time)));
  }

  random(): Promise<number> {
    return this.turn.watched(this.noted('random', () => Math.random()));
  }

  uuid(): Promise<string> {
    return this.turn.watched(this.noted('uuid', () => randomUUID()));
  }

  all<const Branches extends readonly Branch<unknown>[] | Readonly<Record<string, Branch<unknown>>>>(
    branches: Branches,
  ): Promise<BranchResults<Branches>> {
    return this.turn.watched(this.runAll(branches)) as Promise<BranchResults<Branches>>;
  }

  requestInput(content: Content): Promise<MessageJson> {
    return this.turn.watched(this.request('input', TaskState.INPUT_REQUIRED, content));
  }

  requestAuth(content: Content): Promise<MessageJson> {
    return this.turn.watched(this.request('auth', TaskState.AUTH_REQUIRED, content));
  }

  /** The next call of this strand. */
  private call(kind: string, name: string | null = null): RecordedCall {
    this.turn.assertGoing();
    if (this.strand.splits > 0) {
      throw new InvalidCallError(
        `${label(kind, name)} is called on the task outside while branches of task.all are under way: their order would ` +
          'differ on replay; a branch must use the task that it is given',
      );
    }
    return this.calls.next(kind, name);
  }

  private async emitStatus(content: Content): Promise<void> {
    const call = this.call('status');
    const { subject, writer } = this.turn;
    const status = taskStatus(TaskState.WORKING, new Date(), agentMessage(subject, partsOf(content)));
    if (!call.recorded) await writer.emit(statusEvent(subject, status), call.record(null));
  }

  private async runStep<T>(name: string, options: StepOptions, run: StepFunction<T>): Promise<T> {
    assertText(name, 'the name of a step');
    if (typeof run !== 'function' || typeof options !== 'object') {
      throw new InvalidCallError(`step "${name}" takes a function, or options and a function`);
    }
    const { policy, problems } = stepPolicy(options);
    if (problems.length > 0) throw new InvalidCallError(`options of step "${name}": ${problems.join('; ')}`);
    return new DurableStep<T>(this.turn, this.strand, this.call('step', name), name, policy).result(run);
  }

  /** The due time is recorded, so a replay waits for what is left of it, or goes on. */
  private async wait(spanFrom: (now: number) => number): Promise<void> {
    const call = this.call('sleep');
    const { clock, waits, writer } = this.turn;
    const now = await clock.now();
    const due = call.recorded
      ? Date.parse(JSON.parse(call.recorded.value!) as string)
      : now + checkedSpan(spanFrom(now));
    if (!call.recorded) await writer.note(call.record(JSON.stringify(new Date(due))));
    if (due > now) await waits.sleep(this.strand, due, due - now);
  }

  private async waitForSignal(name: string, options: WaitOptions): Promise<unknown> {
    if (!isSignalName(name)) throw new InvalidCallError(`the name in task.waitFor is not ${SIGNAL_NAME_RULE}`);
    if (typeof options !== 'object' || options === null) {
      throw new InvalidCallError(`task.waitFor "${name}" takes a name, or a name and options`);
    }
    const { timeout } = options;
    const timeoutMs = timeout === undefined ? undefined : checkedSpan(spanOf(timeout, 'the timeout of task.waitFor'));
    return new DurableWait(this.turn, this.strand, this.call('waitFor', name), name, timeoutMs).result();
  }

  private async delegateTo(
    given: string,
    message: Content | DelegatedMessage,
    options: DelegateOptions,
  ): Promise<DelegationResult> {
    const { turn, strand } = this;
    const peer = peerName(given);
    if (typeof options !== 'object' || options === null) {
      throw new InvalidCallError('task.delegate takes a peer, a message, and perhaps options');
    }
    const { policy, problems } = delegatePolicy(options);
    if (problems.length > 0) throw new InvalidCallError(`options of task.delegate: ${problems.join('; ')}`);
    if (policy.relay) this.assertMayAsk();
    const ask: AskClient = (call, state, parts) => this.ask(call, state, parts);
    return new DelegatedCall({ turn, strand, call: this.call('delegate', peer.name), peer, policy, ask }).result(
      message,
    );
  }

  private async noted<T>(kind: string, make: () => T | Promise<T>): Promise<T> {
    const call = this.call(kind);
    if (call.recorded) return JSON.parse(call.recorded.value!) as T;
    const value = await make();
    await this.turn.writer.note(call.record(JSON.stringify(value)));
    return value;
  }

  private async runAll(
    branches: readonly Branch<unknown>[] | Readonly<Record<string, Branch<unknown>>>,
  ): Promise<unknown> {
    const { list, names, label } = namedBranches(branches);
    const call = this.call('all', label);
    const noted = call.recorded ? undefined : this.turn.writer.note(call.record(null));
    // At once, so that a call on the task outside is refused on the first run as on a replay.
    const runs = list.map(
      ({ name, run }) =>
        async (strand: Strand) =>
          run(new RunContext(this.turn, call.within(name), strand)),
    );
    const running = this.turn.unwatched(() => runBranches(this.turn.waits, this.strand, runs));
    const [results] = await Promise.all([running, noted]);
    return names ? Object.fromEntries(names.map((name, i) => [name, results[i]])) : results;
  }

  private async request(kind: string, state: TaskState, content: Content): Promise<MessageJson> {
    this.assertMayAsk();
    return this.ask(this.call(kind), state, partsOf(content));
  }

  private assertMayAsk(): void {
    if (this.strand === this.turn.waits.handler) return;
    throw new InvalidCallError(
      'a branch of task.all cannot ask the client, nor relay what a peer asks: answers come in the order of the ' +
        'questions, and branches have none; ask before task.all or after it',
    );
  }

  /** The client's messages answer the questions of a turn in order; a question without an answer ends the run here. */
  private async ask(call: RecordedCall, state: TaskState, parts: Part[]): Promise<MessageJson> {
    const { turn } = this;
    const { waits, writer, run } = turn;
    const message = agentMessage(turn.subject, parts);
    const inputs = turn.consumed;
    const answer = turn.consumed++;
    if (!run.inputs[answer]) {
      await waits.ask(async () => {
        const record = call.recorded ? undefined : call.record(null);
        const isAsked = await writer.settle({ state, message, record, inputs }).then(() => true, notPending);
        if (!isAsked) return this.takeNewInputs();
        waits.asked();
        return never();
      });
    }
    return JSON.parse(run.inputs[answer]!.text) as MessageJson;
  }

  private async takeNewInputs(): Promise<void> {
    const { run, loader } = this.turn;
    const { inputs, history } = await loader.moreInputs(run.lease, run.inputs.length);
    run.inputs.push(...inputs);
    run.task.history = history;
  }
}

/** False where the client has sent a message meanwhile, which the turn can take up at once. */
function notPending(error: unknown): false {
  if (error instanceof InputPendingError) return false;
  throw error;
}

function spanOf(duration: unknown, what: string): number {
  try {
    return parseDuration(duration as number | string);
  } catch (error) {
    throw new InvalidCallError(`${what}: ${(error as Error).message}`, { cause: error });
  }
}

function timeOf(date: unknown): number {
  const time = date instanceof Date ? date.getTime() : NaN;
  if (Number.isNaN(time)) throw new InvalidCallError('task.sleepUntil takes a Date that is valid');
  return time;
}

function checkedSpan(ms: number): number {
  if (ms > MAX_SLEEP_MS) throw new InvalidCallError('a sleep or a timeout is longer than ten years');
  return Math.max(0, ms);
}

function label(kind: string, name: string | null): string {
  return name === null ? `task.${kind}` : `task.${kind} "${name}"`;
}
