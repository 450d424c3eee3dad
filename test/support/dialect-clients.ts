import { randomUUID } from 'node:crypto';
import {
  create,
  type DescMethod,
  fromBinary,
  type JsonObject,
  type MessageInitShape,
  toBinary,
  toJson,
} from '@bufbuild/protobuf';
import { v03 } from '#protocol';
import { GrpcClient, GrpcError } from './grpc-client.js';
import { SPECIFIED_CODES } from './protocol-client-codes.js';
import { wire } from './wire-request.js';

/** A webhook as clients of any version before 1.0 ask for it and see it. */
export interface Webhook {
  readonly id?: string;
  readonly url: string;
  readonly token?: string;
  readonly authentication?: { readonly schemes: string[]; readonly credentials?: string };
}

/** What a client of an older version can do with webhooks, the same whatever its wire; it fails with a DialectError. */
export interface DialectClient {
  /** Sends a text that makes a task, and gives what the client knows the task by. */
  send(text: string, webhook?: Webhook): Promise<string>;
  set(task: string, webhook: Webhook): Promise<JsonObject>;
  get(task: string, id?: string): Promise<JsonObject>;
  /** Absent before 0.3. */
  list?(task: string): Promise<JsonObject[]>;
  drop?(task: string, id: string): Promise<void>;
  /** Absent where it holds no connection. */
  close?(): void;
}

/** A failed call: the code that JSON-RPC has for it, and its text. */
export class DialectError extends Error {
  override readonly name = 'DialectError';

  constructor(
    readonly code: number,
    message: string,
  ) {
    super(message);
  }
}

/** The versions before 1.0 by wire, each with a client of an agent of the server at `url` and `grpc`. */
export const DIALECTS: Readonly<
  Record<string, (server: { url: string; grpc: string }, agent: string) => DialectClient>
> = {
  '0.3 over JSON-RPC': ({ url }, agent) => new JsonRpcClient03(`${url}/agents/${agent}`),
  '0.3 over HTTP+JSON': ({ url }, agent) => new RestClient03(`${url}/agents/${agent}/v1`),
  '0.3 over gRPC': ({ grpc }, agent) => new GrpcClient03(grpc, agent),
  'the first dialect': ({ url }, agent) => new FirstClient(`${url}/agents/${agent}`),
};

async function rpc(url: string, method: string, params: JsonObject): Promise<JsonObject> {
  const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method, params });
  const { json } = await wire(url, { headers: { 'content-type': 'application/json' }, body });
  if (json.error) throw new DialectError(json.error.code as number, json.error.message as string);
  return json.result as JsonObject;
}

const json = (webhook: Webhook) => webhook as unknown as JsonObject;
const shownIn = (result: JsonObject) => result.pushNotificationConfig as JsonObject;

class JsonRpcClient03 implements DialectClient {
  constructor(private readonly url: string) {}

  async send(text: string, webhook?: Webhook): Promise<string> {
    const message = { kind: 'message', messageId: randomUUID(), role: 'user', parts: [{ kind: 'text', text }] };
    const configuration: JsonObject = webhook ? { pushNotificationConfig: json(webhook) } : {};
    return (await rpc(this.url, 'message/send', { message, configuration })).id as string;
  }

  async set(taskId: string, webhook: Webhook): Promise<JsonObject> {
    return shownIn(await this.push('set', { taskId, pushNotificationConfig: json(webhook) }));
  }

  async get(id: string, pushNotificationConfigId?: string): Promise<JsonObject> {
    return shownIn(
      await this.push('get', { id, ...(pushNotificationConfigId !== undefined && { pushNotificationConfigId }) }),
    );
  }

  async list(id: string): Promise<JsonObject[]> {
    return ((await this.push('list', { id })) as unknown as JsonObject[]).map(shownIn);
  }

  async drop(id: string, pushNotificationConfigId: string): Promise<void> {
    await this.push('delete', { id, pushNotificationConfigId });
  }

  private push(action: string, params: JsonObject): Promise<JsonObject> {
    return rpc(this.url, `tasks/pushNotificationConfig/${action}`, params);
  }
}

class RestClient03 implements DialectClient {
  constructor(private readonly url: string) {}

  async send(text: string, webhook?: Webhook): Promise<string> {
    const message = { messageId: randomUUID(), role: 'ROLE_USER', content: [{ text }] };
    const configuration = { blocking: true, ...(webhook && { pushNotification: json(webhook) }) };
    return ((await this.call('POST', '/message:send', { message, configuration })).task as JsonObject).id as string;
  }

  async set(task: string, webhook: Webhook): Promise<JsonObject> {
    return shownIn(await this.call('POST', configsOf(task), { config: { pushNotificationConfig: json(webhook) } }));
  }

  async get(task: string, id = task): Promise<JsonObject> {
    return shownIn(await this.call('GET', `${configsOf(task)}/${id}`));
  }

  async list(task: string): Promise<JsonObject[]> {
    return (((await this.call('GET', configsOf(task))).configs ?? []) as JsonObject[]).map(shownIn);
  }

  async drop(task: string, id: string): Promise<void> {
    await this.call('DELETE', `${configsOf(task)}/${id}`);
  }

  private async call(method: 'GET' | 'POST' | 'DELETE', path: string, body?: JsonObject): Promise<JsonObject> {
    const headers = { 'content-type': 'application/json' };
    const answer = await wire(this.url + path, { method, headers, body: body && JSON.stringify(body) });
    if (answer.status !== 200) throw new DialectError(answer.json.code as number, answer.json.message as string);
    return answer.json as JsonObject;
  }
}

const configsOf = (task: string) => `/tasks/${task}/pushNotificationConfigs`;

class GrpcClient03 implements DialectClient {
  private readonly client: GrpcClient;

  constructor(
    target: string,
    private readonly agent: string,
  ) {
    this.client = new GrpcClient(target);
  }

  async send(text: string, webhook?: Webhook): Promise<string> {
    const request = {
      messageId: randomUUID(),
      role: v03.Role.USER,
      content: [{ part: { case: 'text' as const, value: text } }],
    };
    const configuration = { blocking: true, pushNotification: webhook };
    return ((await this.call(v03.A2AService.method.sendMessage, { request, configuration })).task as JsonObject)
      .id as string;
  }

  async set(task: string, webhook: Webhook): Promise<JsonObject> {
    const config = { pushNotificationConfig: webhook };
    const request = { parent: `tasks/${task}`, configId: webhook.id, config };
    return shownIn(await this.call(v03.A2AService.method.createTaskPushNotificationConfig, request));
  }

  async get(task: string, id = task): Promise<JsonObject> {
    const name = `tasks/${task}/pushNotificationConfigs/${id}`;
    return shownIn(await this.call(v03.A2AService.method.getTaskPushNotificationConfig, { name }));
  }

  async list(task: string): Promise<JsonObject[]> {
    const answer = await this.call(v03.A2AService.method.listTaskPushNotificationConfig, { parent: `tasks/${task}` });
    return ((answer.configs ?? []) as JsonObject[]).map(shownIn);
  }

  async drop(task: string, id: string): Promise<void> {
    const name = `tasks/${task}/pushNotificationConfigs/${id}`;
    await this.call(v03.A2AService.method.deleteTaskPushNotificationConfig, { name });
  }

  private async call<M extends DescMethod>(method: M, request: MessageInitShape<M['input']>): Promise<JsonObject> {
    const bytes = toBinary(method.input, create(method.input, request as never));
    const metadata = { 'a2a-version': undefined, 'a2a-tenant': `/${this.agent}` };
    const answer = await this.client.send(method, bytes, { metadata }).catch((error: unknown) => {
      if (!(error instanceof GrpcError)) throw error;
      throw new DialectError(SPECIFIED_CODES[String(error.reason)]?.jsonRpc ?? -32602, error.message);
    });
    return toJson(method.output, fromBinary(method.output, answer.message)) as JsonObject;
  }

  close(): void {
    this.client.close();
  }
}

/** Knows its tasks by names of its own. */
class FirstClient implements DialectClient {
  constructor(private readonly url: string) {}

  async send(text: string, webhook?: Webhook): Promise<string> {
    const id = `mine-${randomUUID().slice(0, 8)}`;
    const message = { role: 'user', parts: [{ type: 'text', text }] };
    await rpc(this.url, 'tasks/send', { id, message, ...(webhook && { pushNotification: json(webhook) }) });
    return id;
  }

  async set(id: string, webhook: Webhook): Promise<JsonObject> {
    return shownIn(await rpc(this.url, 'tasks/pushNotification/set', { id, pushNotificationConfig: json(webhook) }));
  }

  async get(id: string): Promise<JsonObject> {
    return shownIn(await rpc(this.url, 'tasks/pushNotification/get', { id }));
  }
}
