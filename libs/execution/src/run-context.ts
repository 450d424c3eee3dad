import { type JsonObject } from '@bufbuild/protobuf';
import {
  type AgentLog,
  type AgentTask,
  type ArtifactOptions,
  type ArtifactWriter,
  type Content,
  type StepContext,
} from '#agents';
import { type Message, type MessageJson, MessageSchema, TaskState, toJsonObject } from '#protocol';
import { InputPendingError } from '#store';
import {
  agentMessage,
  artifactOf,
  assertText,
  type ClaimedRun,
  InvalidOutputError,
  partsOf,
  type RunLoader,
  type RunWriter,
  statusEvent,
  taskStatus,
} from '#tasks';
import { type ActiveRun } from './active-run.js';
import { ArtifactEmitter } from './artifact-emitter.js';
import { isAuthorsFault, RunAbortedError } from './handler-errors.js';
import { type RecordedCall, RunJournal } from './run-journal.js';

/** What a call waits on for ever when its run has ended: whoever holds the promise is dropped with it. */
const never = () => new Promise<never>(() => undefined);

/** The `task` object in the hands of a handler: one turn of one run. */
export class RunContext implements AgentTask {
  readonly id: string;
  readonly contextId: string;
  readonly tenant: string;
  readonly principal: string;
  readonly metadata: JsonObject;
  readonly attempt: number;
  readonly extensions: readonly string[];
  private readonly journal: RunJournal;
  private onSuspend: (() => void) | undefined;
  // Made when they are asked for: few handlers read the history.
  private messageJson: MessageJson | undefined;
  private historyJson: readonly MessageJson[] | undefined;
  private readonly historyAtStart: readonly Message[];
  private fault: Error | undefined;
  private readonly steps = new Set<Promise<unknown>>();
  /** Client messages that the turn has taken up, its first one included. */
  private consumed: number;

  constructor(
    private readonly run: ClaimedRun,
    private readonly writer: RunWriter,
    private readonly loader: RunLoader,
    private readonly active: ActiveRun,
    readonly log: AgentLog,
  ) {
    const input = run.inputs[run.turnInput - 1]!;
    this.id = run.task.id;
    this.contextId = run.task.contextId;
    this.tenant = run.lease.tenantId;
    this.principal = run.owner;
    this.historyAtStart = run.task.history;
    this.metadata = input.request.metadata;
    this.extensions = input.request.extensions;
    this.attempt = run.attempt + 1;
    this.consumed = run.turnInput;
    this.journal = new RunJournal(run.turn, run.records);
  }

  get signal(): AbortSignal {
    return this.active.signal;
  }

  get message(): MessageJson {
    return (this.messageJson ??= parse(this.run.inputs[this.run.turnInput - 1]!.text) as MessageJson);
  }

  get history(): readonly MessageJson[] {
    return (this.historyJson ??= historyOf(this.run, this.historyAtStart));
  }

  /** Number of the newest client message that the turn has taken up. */
  get lastInput(): number {
    return this.consumed;
  }

  /** Calls the listener when the run ends here because it waits for the client. */
  whenSuspended(listener: () => void): void {
    this.onSuspend = listener;
  }

  /** The call that stands for the handler's return. */
  returned(): RecordedCall {
    return this.journal.next('return');
  }

  status(content: Content): Promise<void> {
    return this.watched(this.emitStatus(content));
  }

  artifact(options: ArtifactOptions = {}): ArtifactWriter {
    this.assertGoing();
    const artifact = artifactOf({ ...options, artifactId: options.artifactId ?? '' });
    const call = this.journal.next('artifact', artifact.name || null);
    const { turn, position } = call.record(null);
    artifact.artifactId ||= `artifact-${turn}-${position}`;
    return new ArtifactEmitter(this.writer, call, artifact, {
      mediaType: options.mediaType,
      assertGoing: () => this.assertGoing(),
      watched: (promise) => this.watched(promise),
    });
  }

  step<T>(name: string, run: (context: StepContext) => Promise<T> | T): Promise<T> {
    const result = this.watched(this.runStep(name, run));
    this.steps.add(result);
    const done = () => this.steps.delete(result);
    result.then(done, done);
    return result;
  }

  requestInput(content: Content): Promise<MessageJson> {
    return this.watched(this.ask('input', TaskState.INPUT_REQUIRED, content));
  }

  requestAuth(content: Content): Promise<MessageJson> {
    return this.watched(this.ask('auth', TaskState.AUTH_REQUIRED, content));
  }

  /** Throws what the handler did wrong in a call whose failure it did not let pass. */
  assertFaultless(): void {
    if (this.fault) throw this.fault;
  }

  /**
   * A failure of a call that nobody awaits must not end the process. Nor is it forgotten, where the handler is to blame:
   * the run does not end well.
   */
  private watched<T>(call: Promise<T>): Promise<T> {
    call.catch((error: unknown) => {
      if (isAuthorsFault(error)) this.fault ??= error;
    });
    return call;
  }

  private async emitStatus(content: Content): Promise<void> {
    this.assertGoing();
    const call = this.journal.next('status');
    const status = taskStatus(TaskState.WORKING, new Date(), agentMessage(this.subject, partsOf(content)));
    if (!call.recorded) await this.writer.emit(statusEvent(this.subject, status), call.record(null));
  }

  private async runStep<T>(name: string, run: (context: StepContext) => Promise<T> | T): Promise<T> {
    this.assertGoing();
    assertText(name, 'the name of a step');
    const call = this.journal.next('step', name);
    if (call.recorded) return parse(call.recorded.value) as T;
    await this.writer.committed();
    const text = stringify(name, await run({ signal: this.signal }));
    this.assertGoing();
    await this.writer.record(call.record(text));
    return parse(text) as T;
  }

  /** The client's messages answer the questions of a turn in order; a question without an answer ends the run here. */
  private async ask(kind: string, state: TaskState, content: Content): Promise<MessageJson> {
    this.assertGoing();
    const call = this.journal.next(kind);
    const message = agentMessage(this.subject, partsOf(content));
    const inputs = this.consumed;
    const answer = this.consumed++;
    if (!this.run.inputs[answer]) {
      // A step that runs beside the question has an effect outside: its result is recorded before the run ends here.
      await Promise.allSettled(this.steps);
      const record = call.recorded ? undefined : call.record(null);
      const waits = await this.writer.settle({ state, message, record, inputs }).then(() => true, notPending);
      if (waits) {
        this.onSuspend?.();
        return never();
      }
      await this.takeNewInputs();
    }
    return parse(this.run.inputs[answer]!.text) as MessageJson;
  }

  private async takeNewInputs(): Promise<void> {
    const { inputs, history } = await this.loader.moreInputs(this.run.lease, this.run.inputs.length);
    this.run.inputs.push(...inputs);
    this.run.task.history = history;
  }

  private get subject() {
    return { taskId: this.id, contextId: this.contextId };
  }

  private assertGoing(): void {
    const cause = this.active.stopReason;
    if (cause) throw new RunAbortedError('the run has ended', { cause });
  }
}

/** False where the client has sent a message meanwhile, which the turn can take up at once. */
function notPending(error: unknown): false {
  if (error instanceof InputPendingError) return false;
  throw error;
}

/** What had been said when the turn began, its own message last: the same on each replay. */
function historyOf({ inputs, turnInput, records }: ClaimedRun, history: readonly Message[]): MessageJson[] {
  const { message } = inputs[turnInput - 1]!;
  const begun = records.find(({ position }) => position === 0);
  const said = history.slice(0, begun ? Number(begun.value) : history.indexOf(message) + 1);
  const notYet = new Set(inputs.slice(turnInput - 1).map((input) => input.message));
  return [...said.filter((each) => !notYet.has(each)), message].map((each) => toJsonObject(MessageSchema, each));
}

function stringify(name: string, value: unknown): string | null {
  if (value === undefined) return null;
  try {
    const text = JSON.stringify(value) as string | undefined;
    if (text === undefined) throw new TypeError(`a ${typeof value} is not JSON`);
    return text;
  } catch (error) {
    throw new InvalidOutputError(`the result of step "${name}" cannot be recorded: ${String(error)}`, { cause: error });
  }
}

function parse(value: string | null): unknown {
  return value === null ? undefined : JSON.parse(value);
}
