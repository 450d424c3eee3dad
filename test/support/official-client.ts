import {
  type ListTasksRequest,
  type Message,
  SendMessageRequest,
  type StreamResponse,
  type Task,
  TaskState,
} from '@a2a-js/sdk';
import {
  type Client,
  ClientFactory,
  type RequestOptions,
  JsonRpcTransportFactory,
  RestTransportFactory,
  ServiceParameters,
  withA2AVersion,
} from '@a2a-js/sdk/client';
import { GrpcTransportFactory } from '@a2a-js/sdk/client/grpc';

/** The official SDK's names of its transports, which are those of the bindings in agent cards. */
export const TRANSPORTS = ['JSONRPC', 'HTTP+JSON', 'GRPC'] as const;
export type TransportName = (typeof TRANSPORTS)[number];

/** Discovers an agent by its card, as the SDK's users do, and speaks to it over that transport. */
export async function discover(base: string, transport: TransportName): Promise<Client> {
  const transports = [new JsonRpcTransportFactory(), new RestTransportFactory(), new GrpcTransportFactory()];
  // The SDK resolves the card's path against the base, so it needs the slash at its end.
  const client = await new ClientFactory({ transports, preferredTransports: [transport] }).createFromUrl(`${base}/`);
  // It takes another transport where the card does not offer this one.
  if (client.transport.protocolName !== transport) throw new Error(`the card at ${base} offers no ${transport}`);
  return client;
}

/** What a test says beside its text. */
export interface Say {
  readonly taskId?: string;
  readonly contextId?: string;
  readonly data?: object;
  readonly mediaType?: string;
  readonly configuration?: object;
  readonly metadata?: object;
}

/** A request with one message of one part. */
export function say(text: string, { taskId, contextId, data, mediaType, ...rest }: Say = {}): SendMessageRequest {
  const part = data ? { data } : { text, mediaType };
  const message = { messageId: crypto.randomUUID(), role: 'ROLE_USER', parts: [part], taskId, contextId };
  return SendMessageRequest.fromJSON({ message, ...rest });
}

export function isTask(result: Message | Task): result is Task {
  return 'status' in result;
}

/** Sends, and has the task. */
export async function send(client: Client, request: SendMessageRequest, options?: RequestOptions): Promise<Task> {
  const result = await client.sendMessage(request, options);
  if (!isTask(result)) throw new Error('the answer is no task');
  return result;
}

/** The text of a message. */
export function words(message: Pick<Message, 'parts'> | undefined): string {
  return (message?.parts ?? []).map(({ content }) => (content?.$case === 'text' ? content.value : '')).join('');
}

/** All that a stream brings, to its end. */
export async function all<T>(stream: AsyncIterable<T>): Promise<T[]> {
  const events = [];
  for await (const event of stream) events.push(event);
  return events;
}

/** The state that an event tells of. */
export function stateOf({ payload }: StreamResponse): TaskState | undefined {
  return payload?.$case === 'task' || payload?.$case === 'statusUpdate' ? payload.value.status?.state : undefined;
}

/** What the client adds to each call of its transport. */
export const IN_1_0: RequestOptions = { serviceParameters: ServiceParameters.create(withA2AVersion('1.0')) };

export const id = (taskId: string) => ({ id: taskId, tenant: '' });

/** A request of ListTasks. */
export function list(filter: Partial<ListTasksRequest> = {}): ListTasksRequest {
  const everything = { tenant: '', contextId: '', status: TaskState.TASK_STATE_UNSPECIFIED, pageToken: '' };
  return { ...everything, statusTimestampAfter: undefined, ...filter };
}
