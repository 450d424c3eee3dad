import { Writable } from 'node:stream';
import { fromJson, type JsonValue } from '@bufbuild/protobuf';
import { afterEach } from 'vitest';
import { type Agent, AgentRegistry } from '#agents';
import { Execution } from '#execution';
import { type Config, createLogger, loadConfig, openQueueConnection, type QueueConnection } from '#platform';
import {
  type CallContext,
  type MessageJson,
  type SendMessageRequestJson,
  SendMessageRequestSchema,
  SendMessageResponseSchema,
  type Sequenced,
  type StreamResponse,
  type StreamResponseJson,
  type TaskPushNotificationConfigJson,
  StreamResponseSchema,
  type TaskJson,
  TaskSchema,
  toJsonObject,
} from '#protocol';
import { Push, type PushTerms } from '#push';
import { Tasks } from '#tasks';
import { compatWebhookBody } from '../../libs/bindings/src/compat/webhook-body.js';
import { DatabaseProxy } from './database-proxy.js';
import { type Mode, modeSettings } from './modes.js';

/** With which the engines of a file keep secrets from each other's database, and from nobody. */
const SECRET_KEY = new Uint8Array(32).fill(7);
const PUSH_TERMS: PushTerms = {
  signingKeys: { current: () => ({ webhookSigners: [], published: [] }) },
  issuer: () => 'https://perdure.example',
  writeTask: compatWebhookBody,
};

/** What a test says of an agent; the rest are defaults that make no test wait. */
export type AgentScript = Partial<Agent> & Pick<Agent, 'run'>;

/** A line of the engine's log, parsed. */
export interface LogLine {
  readonly msg: string;
  readonly level: string;
  readonly err?: { readonly message: string; readonly stack: string };
  readonly [field: string]: unknown;
}

/** How an engine is started; everything has a default. */
export interface EngineOptions {
  /** The database, if not the file's own: a way to it that the test can break. */
  readonly url?: string;
  readonly config?: Partial<Config>;
  /** false: the process accepts tasks and watches them, and runs none. */
  readonly runs?: boolean;
  /** Whether it delivers webhooks. */
  readonly push?: boolean;
  /** Whether the test will call `crash()`. */
  readonly mayCrash?: boolean;
}

/** The engines of a spec file, all with the same agents on the same database. */
export interface Engines {
  /** Starts an engine that runs until the test has ended, unless it is stopped or killed before. */
  start(options?: EngineOptions): Promise<Engine>;
  /** Makes an agent known to every engine, and answers with its id. */
  agent(script: AgentScript): string;
}

/** The caller of a call; by default `alice` of the tenant `acme`, who never hangs up. */
export type Caller = Partial<CallContext>;

/** One event of a stream, as a client sees it. */
export interface SeenEvent extends StreamResponseJson {
  readonly sequence: number;
}

/** The service layer and the workers of one process, on a database, with agents that a test scripts. */
export class Engine {
  private stopping: Promise<void> | undefined;

  private constructor(
    readonly tasks: Tasks,
    readonly log: LogLine[],
    private readonly queue: QueueConnection | undefined,
    private readonly workers: { readonly execution?: Execution; readonly push?: Push },
    private readonly proxy: DatabaseProxy | undefined,
  ) {}

  get execution(): Execution | undefined {
    return this.workers.execution;
  }

  get push(): Push | undefined {
    return this.workers.push;
  }

  static async start(
    url: string,
    agents: AgentRegistry,
    { config = {}, runs = true, push: pushes = false, mayCrash = false }: EngineOptions,
  ): Promise<Engine> {
    const proxy = mayCrash ? await DatabaseProxy.start(url) : undefined;
    const path = proxy?.url ?? url;
    const settings = { ...loadConfig({}), secretKeys: [SECRET_KEY], drainMs: 200, ...config };
    const log: LogLine[] = [];
    const logger = createLogger({ logLevel: 'debug', logFormat: 'json' }, linesInto(log));
    const tasks = new Tasks(settings, agents, logger, path);
    await tasks.start();
    const queue = runs || pushes ? await openQueueConnection(path, settings, logger) : undefined;
    const execution = queue && runs ? new Execution(tasks, queue) : undefined;
    execution?.start();
    const push = queue && pushes ? new Push(tasks, queue, PUSH_TERMS) : undefined;
    push?.start();
    return new Engine(tasks, log, queue, { execution, push }, proxy);
  }

  /** Sends a text, or a message, and answers with the task that came of it. */
  async send(agent: string, message: string | Partial<MessageJson>, options: SendOptions = {}): Promise<TaskJson> {
    const answer = await this.answer(agent, message, options);
    if (!answer.task) throw new Error(`the agent answered without a task: ${JSON.stringify(answer)}`);
    return answer.task;
  }

  /** The same, whatever the answer is. */
  async answer(
    agent: string,
    message: string | Partial<MessageJson>,
    { caller, metadata, ...configuration }: SendOptions = {},
  ) {
    const request = sendRequest(message, configuration, metadata);
    const response = await this.tasks.service.sendMessage(request, call(agent, caller));
    return toJsonObject(SendMessageResponseSchema, response);
  }

  /** Sends a message and answers when it is accepted. */
  submit(agent: string, message: string | Partial<MessageJson>, options: SendOptions = {}): Promise<TaskJson> {
    return this.send(agent, message, { ...options, returnImmediately: true });
  }

  /** The events of a streaming send. */
  stream(
    agent: string,
    message: string | Partial<MessageJson>,
    { caller, metadata, ...configuration }: SendOptions = {},
  ) {
    const request = sendRequest(message, configuration, metadata);
    return seen(this.tasks.service.sendStreamingMessage(request, call(agent, caller)));
  }

  /** The events of a subscription. */
  subscribe(agent: string, id: string, caller?: Caller): AsyncGenerator<SeenEvent> {
    const request = { $typeName: 'lf.a2a.v1.SubscribeToTaskRequest' as const, tenant: '', id };
    return seen(this.tasks.service.subscribeToTask(request, call(agent, caller)));
  }

  async get(agent: string, id: string, caller?: Caller, historyLength?: number): Promise<TaskJson> {
    const request = { $typeName: 'lf.a2a.v1.GetTaskRequest' as const, tenant: '', id, historyLength };
    return toJsonObject(TaskSchema, await this.tasks.service.getTask(request, call(agent, caller)));
  }

  async cancel(agent: string, id: string, caller?: Caller): Promise<TaskJson> {
    const request = { $typeName: 'lf.a2a.v1.CancelTaskRequest' as const, tenant: '', id };
    return toJsonObject(TaskSchema, await this.tasks.service.cancelTask(request, call(agent, caller)));
  }

  /** Drains and closes everything, as a process does at SIGTERM. */
  async stop(): Promise<void> {
    this.stopping ??= this.shutDown();
    await this.stopping;
  }

  /** Cuts the engine off from its database for good, as a crash does: nothing is handed back, nothing more is written. */
  async crash(): Promise<void> {
    if (!this.proxy) throw new Error('only an engine that was started with `mayCrash` can');
    await this.proxy.close();
    this.stopping ??= Promise.allSettled([
      this.execution?.drain(),
      this.execution?.stop(),
      this.push?.drain().then(() => this.push?.stop()),
      this.tasks.stop(),
      this.queue?.close(),
    ]).then(() => undefined);
  }

  private async shutDown(): Promise<void> {
    await Promise.all([this.execution?.drain(), this.push?.drain()]);
    await Promise.all([this.execution?.stop(), this.push?.stop()]);
    await this.tasks.stop();
    await this.queue?.close();
  }
}

/** Starts engines for the tests of a spec file or a group, and stops each after its test. */
export function useEngines(database: { readonly url: string }, mode: Mode = 'postgres'): Engines {
  const agents = new GrowingRegistry();
  const engines: Engine[] = [];
  afterEach(async () => {
    await Promise.all(engines.splice(0).map((engine) => engine.stop()));
  });
  return {
    agent: (script) => agents.add(script),
    async start(options = {}) {
      const config = { ...modeSettings(mode, database.url), ...options.config };
      const engine = await Engine.start(options.url ?? database.url, agents, { ...options, config });
      engines.push(engine);
      return engine;
    },
  };
}

/** The agents of a file come one by one, with the tests that need them. */
class GrowingRegistry extends AgentRegistry {
  private readonly added = new Map<string, Agent>();

  constructor() {
    super([agentOf('agent-0', { run: () => undefined })]);
  }

  add(script: AgentScript): string {
    const id = `agent-${this.added.size + 1}`;
    this.added.set(id, agentOf(id, script));
    return id;
  }

  override get(id: string): Agent | undefined {
    return this.added.get(id);
  }

  override all(): Agent[] {
    return [...this.added.values()];
  }
}

/** What a send may carry beside its message. */
export interface SendOptions {
  readonly caller?: Caller;
  readonly historyLength?: number;
  readonly returnImmediately?: boolean;
  /** The webhook that comes with the message. */
  readonly taskPushNotificationConfig?: TaskPushNotificationConfigJson;
  /** Of the request. */
  readonly metadata?: SendMessageRequestJson['metadata'];
}

/** The context of a call to an agent. */
export function call(agent: string, caller: Caller = {}): CallContext {
  return { tenant: 'acme', principal: 'alice', extensions: [], signal: new AbortController().signal, agent, ...caller };
}

/** A SendMessage request as a client writes it. */
export function sendRequest(
  message: string | Partial<MessageJson>,
  configuration: SendMessageRequestJson['configuration'] = {},
  metadata?: SendMessageRequestJson['metadata'],
) {
  const fields = typeof message === 'string' ? { parts: [{ text: message }] } : message;
  const whole = { messageId: 'm-1', role: 'ROLE_USER', parts: [{ text: 'hello' }], ...fields };
  const json = JSON.stringify({ message: whole, configuration, metadata });
  return fromJson(SendMessageRequestSchema, JSON.parse(json) as JsonValue);
}

/** All events until the stream ends. */
export async function all<T>(stream: AsyncIterable<T>): Promise<T[]> {
  const events: T[] = [];
  for await (const event of stream) events.push(event);
  return events;
}

/** The text of a message: its text parts, joined. */
export function textOf(message: MessageJson | undefined): string {
  return (message?.parts ?? []).map((part) => part.text ?? '').join('');
}

/** The texts of a task's artifact, chunk by chunk. */
export function artifactTexts(task: TaskJson, index = 0): string[] {
  return (task.artifacts?.[index]?.parts ?? []).map((part) => part.text ?? '');
}

async function* seen(stream: AsyncIterable<Sequenced<StreamResponse>>): AsyncGenerator<SeenEvent> {
  for await (const { sequence, message } of stream) yield { sequence, ...toJsonObject(StreamResponseSchema, message) };
}

function agentOf(id: string, script: AgentScript): Agent {
  return {
    id,
    card: { name: id, description: 'Does as the test says.', version: '1.0.0', skills: [] },
    retry: { attempts: 3, initialDelayMs: 1, maxDelayMs: 5 },
    timeoutMs: 20_000,
    followUps: 'queue',
    listed: true,
    default: false,
    source: `${id}.agent.ts`,
    ...script,
  };
}

function linesInto(log: LogLine[]): Writable {
  return new Writable({
    write(chunk: Buffer, _encoding, done) {
      log.push(JSON.parse(chunk.toString()) as LogLine);
      done();
    },
  });
}
