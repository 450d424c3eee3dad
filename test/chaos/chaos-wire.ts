import { type JsonObject } from '@bufbuild/protobuf';
import { type TaskJson } from '#protocol';
import { type CallOptions, type ProtocolClient, type ProtocolStream } from '../support/protocol-client.js';
import { GrpcProtocolClient } from '../support/protocol-client-grpc.js';
import { HttpJsonProtocolClient } from '../support/protocol-client-http-json.js';
import { JsonRpcProtocolClient } from '../support/protocol-client-jsonrpc.js';
import { type ServerAddress } from './chaos-cluster.js';
import { LegacyProtocolClient } from './legacy-protocol-client.js';

/** How clients speak: over the three bindings of 1.0, or in 0.3. */
export const WIRES = ['JSONRPC', 'HTTP+JSON', 'GRPC', '0.3'] as const;

export type WireName = (typeof WIRES)[number];

/** An agent as one of its tenants reaches it. */
export interface Address {
  readonly agent: string;
  readonly tenant: string;
}

/** One agent at one server over one wire. Requests, answers and events are those of 1.0. */
export interface ChaosWire {
  /** Answers with the task, where the operation does. */
  call(
    operation:
      | 'SendMessage'
      | 'GetTask'
      | 'CancelTask'
      | 'CreateTaskPushNotificationConfig'
      | 'DeleteTaskPushNotificationConfig',
    request: JsonObject,
    options?: CallOptions,
  ): Promise<{ task?: TaskJson }>;
  open(
    operation: 'SendStreamingMessage' | 'SubscribeToTask',
    request: JsonObject,
    options?: CallOptions,
  ): Promise<ProtocolStream>;
  close(): void;
}

/** A server that stands still is noticed like one that is gone. */
const GRPC_OPTIONS = {
  'grpc.keepalive_time_ms': 3_000,
  'grpc.keepalive_timeout_ms': 3_000,
  'grpc.initial_reconnect_backoff_ms': 100,
  'grpc.max_reconnect_backoff_ms': 1_000,
};

/** A wire to an agent. Over HTTP its tenant stands in the path. */
export function wireTo({ url, grpcAddress }: ServerAddress, name: WireName, { agent, tenant }: Address): ChaosWire {
  const path = { url, agent: `${agent}/${tenant}` };
  if (name === '0.3') return new LegacyProtocolClient(path);
  if (name === 'JSONRPC') return wireOf(new JsonRpcProtocolClient(path));
  if (name === 'HTTP+JSON') return wireOf(new HttpJsonProtocolClient(path));
  return wireOf(new GrpcProtocolClient({ grpcAddress, agent }, GRPC_OPTIONS), { tenant });
}

function wireOf(client: ProtocolClient, fields: JsonObject = {}): ChaosWire {
  return {
    async call(operation, request, options) {
      const answer = await client.call(operation, { ...request, ...fields }, options);
      return operation === 'SendMessage' ? (answer as { task?: TaskJson }) : { task: answer as TaskJson };
    },
    open: (operation, request, options) => client.open(operation, { ...request, ...fields }, options),
    close: () => client.close(),
  };
}
