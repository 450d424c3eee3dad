import { once } from 'node:events';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { Readable } from 'node:stream';
import { type DynamicModule, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { pino } from 'pino';
import { request as httpRequest } from 'undici';
import { type Agent, AgentRegistry } from '#agents';
import { BindingsModule, createHttpAdapter, GrpcAddress, GrpcServer, type HealthCheck, OpenCalls } from '#bindings';
import { CONFIG, type Config, loadConfig, LOGGER } from '#platform';
import { type A2AOperations } from '#protocol';

/** A real server, HTTP and gRPC, over operations that a test scripts; a test sets the ones it needs on `script`. */
export interface ScriptedServer {
  readonly url: string;
  readonly port: number;
  /** `host:port` of gRPC. */
  readonly grpc: string;
  readonly script: Partial<A2AOperations>;
  readonly healthChecks: HealthCheck[];
  readonly calls: OpenCalls;
  /** The lines that were logged, parsed. */
  readonly log: Record<string, unknown>[];
  /** The server's side of the next connection that a client opens. */
  nextConnection(): Promise<Socket>;
  /** Posts a JSON-RPC request in version 1.0; `json` may be text that is not JSON, or a stream. */
  post(json: unknown, options?: PostOptions): Promise<Answer>;
  /** Sends raw bytes, and gives all that came back until the server closed the connection. */
  raw(bytes: string | Buffer): Promise<string>;
  /** Opens a connection and sends the JSON-RPC request; what comes back is the test's to read. */
  open(json: unknown, options?: PostOptions): Socket;
  /** Opens a connection and sends raw bytes; what comes back is the test's to read. */
  connect(bytes: string | Buffer): Socket;
  close(): Promise<void>;
}

export interface PostOptions {
  path?: string;
  headers?: Record<string, string | undefined>;
}

export interface Answer {
  readonly status: number;
  readonly headers: Record<string, string | string[] | undefined>;
  readonly text: string;
  /** The body, parsed where it is JSON. */
  readonly body: any; // eslint-disable-line @typescript-eslint/no-explicit-any
}

/** A promise, and the way to keep it. */
export function deferred(): { promise: Promise<void>; resolve: () => void } {
  let resolve: () => void = () => undefined;
  const promise = new Promise<void>((keep) => (resolve = keep));
  return { promise, resolve };
}

/** An agent that never runs: the operations are scripted. */
export function scriptedAgent(id: string, fields: Partial<Agent> = {}): Agent {
  return {
    id,
    card: { name: `Agent ${id}`, description: 'Answers as scripted', version: '1.0.0', skills: [] },
    retry: { attempts: 1, initialDelayMs: 1, maxDelayMs: 1 },
    timeoutMs: 1_000,
    followUps: 'queue',
    listed: true,
    default: false,
    source: `${id}.agent.ts`,
    run: async () => undefined,
    ...fields,
  };
}

/** Starts a server on a free port, with the agents `echo` (the default) and `other` unless told otherwise. */
export async function startScriptedServer(
  settings: Partial<Config> = {},
  agents: Agent[] = [scriptedAgent('echo', { default: true }), scriptedAgent('other')],
  healthChecks: HealthCheck[] = [],
): Promise<ScriptedServer> {
  const config: Config = { ...loadConfig({ PORT: '0', GRPC_PORT: '0' }), ...settings };
  const script: Partial<A2AOperations> = {};
  const log: Record<string, unknown>[] = [];
  const logger = pino({}, { write: (line: string) => void log.push(JSON.parse(line) as Record<string, unknown>) });

  const SCRIPT = Symbol('script');
  const world: DynamicModule = {
    module: World,
    global: true,
    providers: [
      { provide: CONFIG, useValue: config },
      { provide: LOGGER, useValue: logger },
      { provide: AgentRegistry, useValue: new AgentRegistry(agents) },
      { provide: SCRIPT, useValue: script },
    ],
    exports: [CONFIG, LOGGER, AgentRegistry, SCRIPT],
  };
  const bindings = BindingsModule.register({
    imports: [world],
    operations: SCRIPT,
    healthChecks: { useFactory: () => healthChecks },
  });
  const app = await NestFactory.create(bindings, createHttpAdapter(config), { bodyParser: false, logger: false });
  await app.listen(0, '127.0.0.1');
  await app.get(GrpcServer).listen();
  const { port } = app.getHttpServer().address() as AddressInfo;
  const url = `http://127.0.0.1:${port}`;
  return {
    url,
    port,
    grpc: app.get(GrpcAddress).local ?? 'off',
    script,
    healthChecks,
    calls: app.get(OpenCalls),
    log,
    nextConnection: async () => ((await once(app.getHttpServer(), 'connection')) as [Socket])[0],
    post: (json, options) => post(url, json, options),
    raw: (bytes) => raw(port, bytes),
    open: (json, options) => open(port, json, options),
    connect: (bytes) => connected(port, bytes),
    close: () => app.close(),
  };
}

@Module({})
class World {}

async function post(url: string, json: unknown, { path = '/', headers = {} }: PostOptions = {}): Promise<Answer> {
  const answer = await httpRequest(url + path, {
    method: 'POST',
    headers: withDefaults(headers),
    body: json instanceof Readable ? json : bodyText(json),
  });
  const text = await answer.body.text();
  const isJson = String(answer.headers['content-type']).startsWith('application/json') && text !== '';
  return { status: answer.statusCode, headers: answer.headers, text, body: isJson ? JSON.parse(text) : undefined };
}

function withDefaults(headers: Record<string, string | undefined>): Record<string, string> {
  const all = { 'content-type': 'application/json', 'a2a-version': '1.0', ...headers };
  return Object.fromEntries(Object.entries(all).filter((entry): entry is [string, string] => entry[1] !== undefined));
}

function bodyText(json: unknown): string | Buffer {
  return typeof json === 'string' || Buffer.isBuffer(json) ? json : JSON.stringify(json);
}

function raw(port: number, bytes: string | Buffer): Promise<string> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    const socket = connect(port, '127.0.0.1', () => socket.write(bytes));
    socket.on('data', (chunk) => chunks.push(chunk));
    socket.on('error', reject);
    socket.on('close', () => resolve(Buffer.concat(chunks).toString('utf8')));
  });
}

function open(port: number, json: unknown, { path = '/', headers = {} }: PostOptions = {}): Socket {
  const body = Buffer.from(bodyText(json));
  const lines = Object.entries({ host: 'localhost', ...withDefaults(headers), 'content-length': String(body.length) });
  const head = lines.map(([name, value]) => `${name}: ${value}\r\n`).join('');
  return connected(port, Buffer.concat([Buffer.from(`POST ${path} HTTP/1.1\r\n${head}\r\n`), body]));
}

function connected(port: number, bytes: string | Buffer): Socket {
  const socket = connect(port, '127.0.0.1');
  socket.write(bytes);
  return socket;
}
