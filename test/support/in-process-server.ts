import { afterAll, beforeAll } from 'vitest';
import { type Config, loadConfig } from '#platform';
import { type RunningProcess } from '../../apps/process/src/start-process.js';
import { startServer } from '../../apps/server/src/server.js';
import { EXAMPLE_AGENTS, TEST_AGENTS } from './agent-folders.js';
import { JsonRpcClient } from './json-rpc.js';
import { type Mode, modeSettings } from './modes.js';
import { useDatabase } from './postgres.js';

/** Whole servers inside of the test process, on one database. */
export interface InProcessServers {
  /** Base URL of the first one. */
  readonly url: string;
  /** `host:port` of the first one's gRPC. */
  readonly grpc: string;
  readonly databaseUrl: string;
  /** A client of an agent, at the first server or at another replica, counted from 0. */
  rpc(agent: string, replica?: number): JsonRpcClient;
}

/** Servers with the example and the test agents for this spec file or group, started before its tests and stopped after them. */
export function useServers(
  replicas: number,
  settings: Partial<Config> = {},
  mode: Mode = 'postgres',
): InProcessServers {
  const database = useDatabase();
  const servers: RunningProcess[] = [];
  beforeAll(async () => {
    const config = {
      ...loadConfig({ PORT: '0', GRPC_PORT: '0' }),
      databaseUrl: database.url,
      logLevel: 'silent' as const,
      // The event loop is the tests' too: how late it is says nothing of the servers.
      maxLoopDelayMs: 60_000,
      ...modeSettings(mode, database.url),
    };
    const agentDirs = [EXAMPLE_AGENTS, TEST_AGENTS];
    // One after the other: the first one migrates.
    for (let i = 0; i < replicas; i++) servers.push(await startServer({ ...config, agentDirs, ...settings }));
  });
  afterAll(async () => {
    await Promise.all(servers.map((server) => server.stop()));
  });
  return {
    get url() {
      return servers[0]!.url;
    },
    get grpc() {
      return servers[0]!.grpc!;
    },
    get databaseUrl() {
      return database.url;
    },
    rpc: (agent, replica = 0) => new JsonRpcClient(`${servers[replica]!.url}/agents/${agent}`),
  };
}
