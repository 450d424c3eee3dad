import type {
  AgentDefinition,
  AgentTask,
  ArtifactOptions,
  ArtifactWriter,
  Branch,
  BranchResults,
  Content,
  DelegationResult,
  MessageJson,
  StepFunction,
  StepOptions,
} from 'perdure';

const MOST_RUNS = 100;

/** What a rehearsal is played with. */
export interface Script {
  /** What the client says first. */
  readonly message: MessageJson;
  /** What it answers to each question, in order. */
  readonly answers?: readonly MessageJson[];
  /** The values of the signals that others send, by name, in order. */
  readonly signals?: Readonly<Record<string, readonly unknown[]>>;
  /** What comes of what is delegated, by peer. */
  readonly peers?: Readonly<Record<string, DelegationResult>>;
  /** The metadata of the request. */
  readonly metadata?: AgentTask['metadata'];
  /** Before which call on the task the process dies, once; counted from 0, replayed calls left out. */
  readonly crashBefore?: number;
}

/** A message of the client with one text part. */
export function say(text: string): MessageJson {
  return { messageId: text, role: 'ROLE_USER', parts: [{ text }] };
}

/**
 * Plays one task with an agent in memory, for the specs of the examples: records and replays the calls as the server
 * does, starts `run` again after a question, a crash and an error, and refuses a run that does not replay.
 */
export class Rehearsal {
  readonly id = crypto.randomUUID();
  readonly statuses: Content[] = [];
  readonly questions: { kind: string; content: Content }[] = [];
  /** The names of the steps, each time that the function of one was called. */
  readonly stepsRun: string[] = [];
  readonly artifacts: (ArtifactOptions & { chunks: Content[]; closed: boolean })[] = [];
  attempt = 1;
  callsMade = 0;
  private readonly journal: { name: string; result: unknown }[] = [];
  private readonly answers: MessageJson[];
  private position = 0;
  private opened = 0;
  private stop: () => void = () => undefined;

  constructor(
    private readonly agent: AgentDefinition,
    private readonly script: Script,
  ) {
    this.answers = [...(script.answers ?? [])];
  }

  /** What `run` returns in the end; rejects with a Reject, a Fail, or the error of the agent's last attempt. */
  async play(): Promise<unknown> {
    for (let runs = 0; runs < MOST_RUNS; runs++) {
      try {
        const outcome = await this.runOnce();
        if (outcome !== 'stopped') return outcome.result;
      } catch (error) {
        const isFinal = error instanceof Error && ['Reject', 'Fail', 'NotReplayed'].includes(error.name);
        if (isFinal || this.attempt >= (this.agent.retry?.attempts ?? 1)) throw error;
        this.attempt++;
      }
    }
    return fail('the task comes to no end');
  }

  /** All of an artifact's text; throws where a chunk is none. */
  artifactText(index: number): string {
    const chunks = this.artifacts[index]?.chunks ?? [];
    return chunks.map((chunk) => (typeof chunk === 'string' ? chunk : fail('a chunk is no text'))).join('');
  }

  private async runOnce(): Promise<'stopped' | { result: unknown }> {
    this.position = 0;
    this.opened = 0;
    const stopped = new Promise<'stopped'>((resolve) => (this.stop = () => resolve('stopped')));
    const finished = async () => ({ result: await this.agent.run(this.task()) });
    return Promise.race([stopped, finished()]);
  }

  private task(): AgentTask {
    const { id, attempt, script } = this;
    const log = { info: () => undefined, warn: () => undefined, error: () => undefined };
    return {
      ...{ id, attempt, log, contextId: 'context', tenant: 'tenant', principal: 'client', extensions: [] },
      ...{ message: script.message, history: [script.message], metadata: script.metadata ?? {} },
      signal: new AbortController().signal,
      status: (content) => this.call('status', () => void this.statuses.push(content)),
      requestInput: (content) => this.ask('input', content),
      requestAuth: (content) => this.ask('auth', content),
      artifact: (options = {}) => this.artifact(options),
      step: <T>(name: string, ...[options, run]: [StepFunction<T>] | [StepOptions, StepFunction<T>]) =>
        this.call(`step ${name}`, () => {
          this.stepsRun.push(name);
          return (run ?? (options as StepFunction<T>))({ signal: new AbortController().signal });
        }),
      sleep: () => this.sleep(),
      sleepUntil: () => this.sleep(),
      waitFor: <T>(name: string) => this.call(`waitFor ${name}`, () => this.signal(name)) as Promise<T>,
      delegate: (peer) => this.call(`delegate ${peer}`, () => this.script.peers?.[peer] ?? fail(`nobody is ${peer}`)),
      now: async () => new Date(await this.call('now', () => Date.now())),
      random: () => this.call('random', () => Math.random()),
      uuid: () => this.call('uuid', () => crypto.randomUUID()),
      all: (branches) => this.all(branches),
    };
  }

  /** The time has come when `run` starts again. */
  private sleep(): Promise<void> {
    return this.call('sleep', () => {
      this.journal.push({ name: 'sleep', result: undefined });
      return this.end();
    });
  }

  /** Each is taken by one call; the next run gets what was recorded. */
  private signal(name: string): unknown {
    const taken = this.journal.filter((record) => record.name === `waitFor ${name}`).length;
    const sent = this.script.signals?.[name] ?? [];
    return taken < sent.length ? sent[taken] : fail(`nobody sends the signal ${name}`);
  }

  /** One after the other: an order that branches side by side may happen to have too. */
  private async all<Branches>(branches: Branches): Promise<BranchResults<Branches>> {
    const results: unknown[] = [];
    for (const run of Object.values(branches as Record<string, Branch<unknown>>)) results.push(await run(this.task()));
    const named = Object.keys(branches as object).map((name, i) => [name, results[i]]);
    return (Array.isArray(branches) ? results : Object.fromEntries(named)) as BranchResults<Branches>;
  }

  /** An artifact that an earlier run closed stays as it is; one that it left open starts over. */
  private artifact(options: ArtifactOptions): ArtifactWriter {
    const index = this.opened++;
    const artifact = this.artifacts[index]?.closed ? undefined : { ...options, chunks: [] as Content[], closed: false };
    if (artifact) this.artifacts[index] = artifact;
    const append = (content: Content) => this.emit(() => artifact?.chunks.push(content));
    const close = () => this.emit(() => artifact && (artifact.closed = true));
    return { append, close, write: (content) => append(content).then(close) };
  }

  private async ask(kind: string, content: Content): Promise<MessageJson> {
    return this.call(kind, async () => {
      this.questions.push({ kind, content });
      const answer = this.answers.shift();
      if (!answer) return fail(`nobody answers ${JSON.stringify(content)}`);
      // The answer is recorded, and the next run gets it: this one ends at the question.
      this.journal.push({ name: kind, result: answer });
      return this.end();
    });
  }

  private async emit(effect: () => unknown): Promise<void> {
    await this.crashPoint();
    effect();
  }

  private async call<T>(name: string, effect: () => Promise<T> | T): Promise<T> {
    const recorded = this.journal[this.position++];
    if (recorded && recorded.name !== name) {
      throw Object.assign(new Error(`Recorded was "${recorded.name}", called is "${name}"`), { name: 'NotReplayed' });
    }
    if (recorded) return recorded.result as T;
    await this.crashPoint();
    const result = await effect();
    const json = JSON.stringify(result);
    this.journal.push({ name, result: json === undefined ? undefined : (JSON.parse(json) as unknown) });
    return result;
  }

  private async crashPoint(): Promise<void> {
    if (this.callsMade++ === this.script.crashBefore) await this.end();
  }

  private end(): Promise<never> {
    this.stop();
    return new Promise<never>(() => undefined);
  }
}

function fail(message: string): never {
  throw new Error(message);
}
