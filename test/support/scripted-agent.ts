import { once } from 'node:events';
import {
  createServer,
  type IncomingHttpHeaders,
  type IncomingMessage,
  type Server,
  type ServerResponse,
} from 'node:http';
import { type AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { type JSONWebKeySet } from 'jose';
import { afterEach } from 'vitest';
import { type GetTaskRequestJson, type ListTasksRequestJson, type SendMessageRequestJson } from '#protocol';

/** A call the scripted agent got. */
export interface ReceivedCall {
  readonly method: string;
  readonly params: SendMessageRequestJson & ListTasksRequestJson & GetTaskRequestJson;
  readonly headers: IncomingHttpHeaders;
}

/** What a script may do with a call: give a result or an error, or write a stream. */
export interface Reply {
  result(result: unknown): void;
  error(code: number, message: string, data?: unknown): void;
  /** Any HTTP answer. */
  http(status: number, body: string): void;
  /** One event of a stream; the first one opens it. */
  event(response: unknown, id?: number): void;
  end(): void;
  /** Cuts the connection in the middle of what it is sending. */
  cut(): void;
}

const JWKS_PATH = '/.well-known/jwks.json';

/** An A2A agent over JSON-RPC that answers every call by the test's script, and remembers the calls. */
export class ScriptedAgent {
  readonly calls: ReceivedCall[] = [];
  /** The fields of the card, for tests to change. */
  card: Record<string, unknown> = { name: 'Scripted', description: 'Answers as told.', version: '1.0.0', skills: [] };
  /** The public keys that it shows. */
  jwks: JSONWebKeySet = { keys: [] };
  private readonly server: Server;

  constructor(private readonly script: (call: ReceivedCall, reply: Reply) => void) {
    this.server = createServer((request, response) => {
      void this.serve(request, response);
    });
  }

  async start(): Promise<this> {
    this.server.listen(0, '127.0.0.1');
    await once(this.server, 'listening');
    return this;
  }

  async stop(): Promise<void> {
    this.server.closeAllConnections();
    this.server.close();
    await once(this.server, 'close');
  }

  get url(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  /** Where its keys are. */
  get jwksUrl(): string {
    return this.url + JWKS_PATH;
  }

  private async serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { method, url = '', headers } = request;
    if (method === 'GET' && url.endsWith('/.well-known/agent-card.json')) {
      this.calls.push({ method: `GET ${url}`, params: {}, headers });
      const endpoint = { url: `${this.url}/rpc`, protocolBinding: 'JSONRPC', protocolVersion: '1.0' };
      response.end(JSON.stringify({ supportedInterfaces: [endpoint], ...this.card }));
      return;
    }
    if (url === JWKS_PATH) {
      this.calls.push({ method: `GET ${url}`, params: {}, headers });
      response.end(JSON.stringify(this.jwks));
      return;
    }
    if (url !== '/rpc') {
      response.writeHead(404).end();
      return;
    }
    const content = await text(request).catch(() => undefined);
    // Its caller has gone halfway.
    if (content === undefined) return;
    const body = JSON.parse(content);
    const call = { method: body.method, params: body.params, headers };
    this.calls.push(call);
    this.script(call, replyTo(body.id, response));
  }
}

function replyTo(id: unknown, response: ServerResponse): Reply {
  const json = (content: object) => JSON.stringify({ jsonrpc: '2.0', id, ...content });
  return {
    result: (result) => response.setHeader('content-type', 'application/json').end(json({ result })),
    error: (code, message, data) =>
      response.setHeader('content-type', 'application/json').end(json({ error: { code, message, data } })),
    http: (status, content) => response.writeHead(status).end(content),
    event(result, sequence) {
      if (!response.headersSent) response.writeHead(200, { 'content-type': 'text/event-stream' });
      response.write(`${sequence === undefined ? '' : `id: ${sequence}\n`}data: ${json({ result })}\n\n`);
    },
    end: () => response.end(),
    cut() {
      // After what was written has left, so that the client has it.
      response.write(': cut\n', () => response.destroy());
    },
  };
}

/** Makes scripted agents for the tests of a spec file, and stops each after its test. */
export function useScriptedAgents(): (
  script: ConstructorParameters<typeof ScriptedAgent>[0],
) => Promise<ScriptedAgent> {
  const agents: ScriptedAgent[] = [];
  afterEach(async () => {
    await Promise.all(agents.splice(0).map((agent) => agent.stop()));
  });
  return async (script) => {
    const agent = await new ScriptedAgent(script).start();
    agents.push(agent);
    return agent;
  };
}

/** A task `t1` in a state such as `WORKING`. */
export function aTask(state: string, fields: { text?: string; artifacts?: unknown[] } = {}) {
  const message = { messageId: 'm1', role: 'ROLE_AGENT', parts: [{ text: fields.text }] };
  const status = { state: `TASK_STATE_${state}`, timestamp: '2026-01-01T00:00:00.000Z' };
  return {
    id: 't1',
    contextId: 'c1',
    status: fields.text ? { ...status, message } : status,
    artifacts: fields.artifacts ?? [],
  };
}

/** A status event of `t1`. */
export function aStatus(state: string, text?: string) {
  return { statusUpdate: { taskId: 't1', contextId: 'c1', status: aTask(state, { text }).status } };
}

/** A chunk of `t1`'s artifact `report.md`. */
export function aChunk(text: string, append = true) {
  const artifact = { artifactId: 'a1', name: 'report.md', parts: [{ text }] };
  return { artifactUpdate: { taskId: 't1', contextId: 'c1', artifact, append } };
}
