import { type JsonObject } from '@bufbuild/protobuf';
import { request as httpRequest } from 'undici';
import { type PartJson, type StreamResponseJson, type TaskJson, type TaskStateJson } from '#protocol';
import {
  type CallOptions,
  parametersOf,
  ProtocolError,
  type ProtocolStream,
  tellHeaders,
} from '../support/protocol-client.js';
import { sseStream } from '../support/protocol-client-sse.js';
import { type ChaosWire } from './chaos-wire.js';

/** The methods of 0.3 for what is asked in the names of 1.0. */
const METHODS = {
  SendMessage: 'message/send',
  SendStreamingMessage: 'message/stream',
  GetTask: 'tasks/get',
  CancelTask: 'tasks/cancel',
  SubscribeToTask: 'tasks/resubscribe',
  CreateTaskPushNotificationConfig: 'tasks/pushNotificationConfig/set',
  DeleteTaskPushNotificationConfig: 'tasks/pushNotificationConfig/delete',
} as const;

type Unary = Exclude<keyof typeof METHODS, 'SendStreamingMessage' | 'SubscribeToTask'>;

interface Status03 {
  readonly state: string;
  readonly message?: { readonly parts: readonly JsonObject[] };
}

interface Artifact03 {
  readonly artifactId: string;
  readonly name?: string;
  readonly parts: readonly JsonObject[];
}

/** What answers and events of 0.3 are, as far as the suite looks at them. */
interface Result03 {
  readonly kind: string;
  readonly id?: string;
  readonly taskId?: string;
  readonly status?: Status03;
  readonly artifacts?: readonly Artifact03[];
  readonly artifact?: Artifact03;
  readonly append?: boolean;
  readonly lastChunk?: boolean;
}

interface Envelope {
  readonly result?: Result03 | null;
  readonly error?: { readonly code: number; readonly message: string; readonly data?: JsonObject[] };
}

/** A client of A2A 0.3 over JSON-RPC, by hand, that is asked and answers in the words of 1.0. */
export class LegacyProtocolClient implements ChaosWire {
  readonly binding = '0.3';
  private readonly url: string;

  constructor({ url, agent }: { readonly url: string; readonly agent: string }) {
    this.url = `${url}/agents/${agent}`;
  }

  async call(operation: Unary, request: JsonObject, options?: CallOptions): Promise<{ task?: TaskJson }> {
    const { statusCode, headers, body } = await this.post(METHODS[operation], request, options);
    const result = resultOf((await body.json()) as Envelope, statusCode);
    tellHeaders(headers, options);
    return { task: result?.kind === 'task' ? taskOf(result) : undefined };
  }

  async open(
    operation: 'SendStreamingMessage' | 'SubscribeToTask',
    request: JsonObject,
    options?: CallOptions,
  ): Promise<ProtocolStream> {
    const { statusCode, headers, body } = await this.post(METHODS[operation], request, options);
    if (headers['content-type'] !== 'text/event-stream') {
      resultOf((await body.json()) as Envelope, statusCode);
      throw new Error('the answer is neither a stream nor an error');
    }
    tellHeaders(headers, options);
    return sseStream(body, ({ data }) => eventOf(resultOf(JSON.parse(data) as Envelope, statusCode)!));
  }

  close(): void {
    // Its connections are undici's.
  }

  private post(method: string, request: JsonObject, options?: CallOptions) {
    const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method, params: paramsOf(request) });
    // 0.3 knows no header for its version.
    const { 'a2a-version': _version, ...headers } = parametersOf(options);
    return httpRequest(this.url, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers },
      body,
      bodyTimeout: 0,
    });
  }
}

function paramsOf({ message, configuration, ...rest }: JsonObject): JsonObject {
  if ('url' in rest)
    return { taskId: rest.taskId!, pushNotificationConfig: { id: rest.id!, url: rest.url!, token: rest.token! } };
  // What deletes a webhook names both.
  if ('taskId' in rest) return { id: rest.taskId!, pushNotificationConfigId: rest.id! };
  if (!message) return rest;
  const { role: _role, parts, ...fields } = message as { role: string; parts: JsonObject[] };
  const parts03 = parts.map((part) => ({ kind: 'text' in part ? 'text' : 'data', ...part }));
  const { returnImmediately = false, taskPushNotificationConfig: pushNotificationConfig } = (configuration ??
    {}) as JsonObject;
  return {
    ...rest,
    message: { kind: 'message', role: 'user', parts: parts03, ...fields },
    configuration: { blocking: returnImmediately !== true, ...(pushNotificationConfig && { pushNotificationConfig }) },
  };
}

/** What deletes something answers null. */
function resultOf({ result, error }: Envelope, httpStatus: number): Result03 | null {
  if (!error) return result!;
  const { code, message, data: details = [] } = error;
  const status = { 429: 'RESOURCE_EXHAUSTED', 503: 'UNAVAILABLE' }[httpStatus] ?? 'UNKNOWN';
  throw new ProtocolError({ code, httpStatus, status, message, details });
}

function eventOf(result: Result03): StreamResponseJson {
  const { kind, taskId, append, lastChunk } = result;
  if (kind === 'task') return { task: taskOf(result) };
  if (kind === 'status-update') return { statusUpdate: { taskId, status: statusOf(result.status!) } };
  return { artifactUpdate: { taskId, append, lastChunk, artifact: artifactOf(result.artifact!) } };
}

function taskOf({ id, status, artifacts = [] }: Result03): TaskJson {
  return { id, status: statusOf(status!), artifacts: artifacts.map(artifactOf) };
}

function statusOf({ state, message }: Status03) {
  const name = `TASK_STATE_${state.toUpperCase().replaceAll('-', '_')}` as TaskStateJson;
  return { state: name, message: message && { parts: partsOf(message.parts) } };
}

function artifactOf({ artifactId, name, parts }: Artifact03) {
  return { artifactId, name, parts: partsOf(parts) };
}

function partsOf(parts: readonly JsonObject[]): PartJson[] {
  return parts.map(({ kind: _kind, ...part }) => part as PartJson);
}
