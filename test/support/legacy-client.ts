import { randomUUID } from 'node:crypto';
import { type Message, type MessageSendParams, type Part, type Task } from '@a2a-js/sdk-0.3';
import {
  type A2AClient,
  type CallInterceptor,
  type Client,
  ClientFactory,
  JsonRpcTransportFactory,
  RestTransportFactory,
} from '@a2a-js/sdk-0.3/client';
import { GrpcTransportFactory } from '@a2a-js/sdk-0.3/client/grpc';
import { type TransportName } from './official-client.js';

/** What a stream of 0.3 brings. */
export type LegacyEvent = Awaited<ReturnType<ReturnType<A2AClient['sendMessageStream']>['next']>>['value'] & object;

/**
 * Discovers an agent as users of the SDK for 0.3 do, by its card, and speaks to it over that transport. Over gRPC 0.3 cards can
 * offer the default agent alone: calls for another one go to it with the agent in their metadata.
 */
export async function discoverLegacy(server: string, agent: string, transport: TransportName): Promise<Client> {
  const transports = [new JsonRpcTransportFactory(), new RestTransportFactory(), new GrpcTransportFactory()];
  const isGrpc = transport === 'GRPC';
  const interceptors = isGrpc ? [addressing(`/${agent}`)] : [];
  const factory = new ClientFactory({ transports, preferredTransports: [transport], clientConfig: { interceptors } });
  const client = await factory.createFromUrl(isGrpc ? server : `${server}/agents/${agent}/`);
  // It takes another transport where the card does not offer this one.
  const taken = client.transport.constructor.name.replace(/^_/, '');
  if (taken !== TRANSPORT_CLASSES[transport]) throw new Error(`the card of ${agent} offers no ${transport}`);
  return client;
}

const TRANSPORT_CLASSES = { JSONRPC: 'JsonRpcTransport', 'HTTP+JSON': 'RestTransport', GRPC: 'GrpcTransport' } as const;

function addressing(tenant: string): CallInterceptor {
  return {
    before: async (args) => {
      const serviceParameters = { ...args.options?.serviceParameters, 'a2a-tenant': tenant };
      args.options = { ...args.options, serviceParameters };
    },
    after: async () => undefined,
  };
}

/** What a test says beside its text. */
export interface LegacySay {
  readonly taskId?: string;
  readonly contextId?: string;
  readonly data?: Record<string, unknown>;
  readonly configuration?: MessageSendParams['configuration'];
}

/** Params with a message of one part. */
export function sayLegacy(text: string, { data, configuration, ...ids }: LegacySay = {}): MessageSendParams {
  const part: Part = data ? { kind: 'data', data } : { kind: 'text', text };
  return { message: { kind: 'message', messageId: randomUUID(), role: 'user', parts: [part], ...ids }, configuration };
}

/** Sends, and has the task. */
export async function sendLegacy(client: Client, params: MessageSendParams): Promise<Task> {
  const result = await client.sendMessage(params);
  if (result.kind !== 'task') throw new Error('the answer is no task');
  return result;
}

/** The text of a message. */
export function wordsLegacy(message: Pick<Message, 'parts'> | undefined): string {
  return (message?.parts ?? []).map((part) => (part.kind === 'text' ? part.text : '')).join('');
}

/** The state that an event tells of. */
export function stateOfLegacy(event: LegacyEvent): string | undefined {
  return event.kind === 'task' || event.kind === 'status-update' ? event.status.state : undefined;
}
