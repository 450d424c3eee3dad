import { afterAll, beforeAll } from 'vitest';
import { type Config } from '#platform';
import { type AgentCardJson } from '#protocol';
import { useServers } from './in-process-server.js';
import { fetchAnswer } from './json-rpc.js';
import { type Binding, type ProtocolClient } from './protocol-client.js';
import { GrpcProtocolClient } from './protocol-client-grpc.js';
import { HttpJsonProtocolClient } from './protocol-client-http-json.js';
import { JsonRpcProtocolClient } from './protocol-client-jsonrpc.js';

/** A whole server that is reached over every binding. */
export interface ProtocolServer {
  readonly url: string;
  /** A client of an agent over one binding; it is closed with the server. */
  readonly client: (binding: Binding, agent: string) => ProtocolClient;
}

/** A server for this spec file with the agents of these folders. */
export function useProtocolServer(agentDirs: readonly string[], settings: Partial<Config> = {}): ProtocolServer {
  const servers = useServers(1, { ...settings, agentDirs: [...agentDirs] });
  const clients = new Map<string, ProtocolClient>();
  let grpcAddress: string;
  beforeAll(async () => {
    grpcAddress = await grpcAddressOf(servers.url);
  });
  afterAll(() => {
    for (const client of clients.values()) client.close();
  });
  return {
    get url() {
      return servers.url;
    },
    client(binding, agent) {
      const name = `${binding} ${agent}`;
      if (!clients.has(name)) clients.set(name, clientOf(binding, { url: servers.url, grpcAddress, agent }));
      return clients.get(name)!;
    },
  };
}

/** A client of an agent of a server that runs; it is the caller's to close. */
export async function protocolClient(binding: Binding, url: string, agent: string): Promise<ProtocolClient> {
  return clientOf(binding, { url, grpcAddress: await grpcAddressOf(url), agent });
}

function clientOf(binding: Binding, location: { url: string; grpcAddress: string; agent: string }): ProtocolClient {
  if (binding === 'GRPC') return new GrpcProtocolClient(location);
  return binding === 'JSONRPC' ? new JsonRpcProtocolClient(location) : new HttpJsonProtocolClient(location);
}

/** Where a server's gRPC listens: only its cards say. */
async function grpcAddressOf(url: string): Promise<string> {
  const { json } = await fetchAnswer(`${url}/.well-known/agent-card.json`, { headers: { 'a2a-version': '1.0' } });
  const { supportedInterfaces = [] } = json as AgentCardJson;
  const found = supportedInterfaces.find(({ protocolBinding }) => protocolBinding === 'GRPC');
  if (!found) throw new Error('the card has no interface for gRPC');
  return found.url!;
}
