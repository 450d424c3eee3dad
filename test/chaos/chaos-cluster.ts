import { randomBytes } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { packageRoot } from '#platform';
import { DatabaseProxy } from '../support/database-proxy.js';
import { freePort } from '../support/free-port.js';
import { RedisServer } from '../support/redis-server.js';
import { ChaosPostgres } from './chaos-postgres.js';
import { ChaosProcess } from './chaos-process.js';
import { installWitness } from './database-witness.js';
import { type Mode, PROCESSES, type ProcessName } from './fault-schedule.js';

/** Where clients reach a server; the same whenever it is started anew. */
export interface ServerAddress {
  readonly url: string;
  readonly grpcAddress: string;
}

/** A process with its lines to Postgres and Redis, which go through proxies of ours. */
export interface Member {
  readonly process: ChaosProcess;
  readonly database: DatabaseProxy;
  readonly redis?: DatabaseProxy;
}

/** Webhooks go to this machine, and a receiver that fails for a minute is not given up: every event arrives in the end. */
const PUSH = {
  PERDURE_PUSH_ALLOW: '127.0.0.1',
  PERDURE_PUSH_TIMEOUT: '1s',
  PERDURE_PUSH_CONNECT_TIMEOUT: '500ms',
  PERDURE_PUSH_RETRY: ['0', '100ms', '200ms', '500ms', ...Array<string>(60).fill('1s')].join(','),
  PERDURE_PUSH_BREAKER_MAX: '2s',
};

/** Two servers and two workers, on a Postgres and a Redis of their own. */
export class ChaosCluster {
  readonly servers: ServerAddress[] = [];
  readonly members = new Map<ProcessName, Member>();
  private readonly secretKey = randomBytes(32).toString('base64');

  private constructor(
    readonly folder: string,
    readonly postgres: ChaosPostgres,
    readonly redis?: RedisServer,
  ) {}

  /** Starts all of it in `folder`, where the processes leave their logs; resolves when all of them listen. */
  static async start(mode: Mode, folder: string): Promise<ChaosCluster> {
    const data = join(folder, 'postgres');
    mkdirSync(join(folder, 'handler'), { recursive: true });
    mkdirSync(data);
    const [postgres, redis] = await Promise.all([
      ChaosPostgres.start(data),
      mode === 'redis' ? RedisServer.start() : undefined,
    ]);
    const cluster = new ChaosCluster(folder, postgres, redis);
    try {
      await installWitness(postgres);
      for (const name of PROCESSES) cluster.members.set(name, await cluster.made(name));
      await Promise.all(cluster.each(({ process }) => process.start()));
      return cluster;
    } catch (error) {
      await cluster.stop();
      throw error;
    }
  }

  each<T>(work: (member: Member) => T): T[] {
    return [...this.members.values()].map(work);
  }

  async stop(): Promise<void> {
    await Promise.all(this.each(({ process }) => process.stop()));
    await Promise.all(this.each(({ database, redis }) => Promise.all([database.close(), redis?.close()])));
    await this.redis?.kill();
    await this.postgres.stop();
  }

  private async made(name: ProcessName): Promise<Member> {
    const database = await DatabaseProxy.start(this.postgres.url);
    const redis = this.redis && (await DatabaseProxy.start(this.redis.url));
    const address = await this.addressOf(name);
    const env = {
      ...address,
      DATABASE_URL: database.url,
      REDIS_URL: redis?.url ?? '',
      CHAOS_HISTORY: join(this.folder, 'handler'),
      PERDURE_LOG_FORMAT: 'json',
      PERDURE_LOG_LEVEL: 'info',
      PERDURE_KEEP_ALIVE: '2s',
      PERDURE_SECRET_KEY: this.secretKey,
      ...PUSH,
    };
    const agents = join(packageRoot(), 'test/chaos/agents');
    return { process: new ChaosProcess(name, agents, env, join(this.folder, `${name}.log`)), database, redis };
  }

  private async addressOf(name: ProcessName): Promise<{ PORT: string; GRPC_PORT: string }> {
    if (name.startsWith('worker')) return { PORT: '0', GRPC_PORT: 'off' };
    const [PORT, GRPC_PORT] = [String(await freePort()), String(await freePort())];
    this.servers.push({ url: `http://127.0.0.1:${PORT}`, grpcAddress: `127.0.0.1:${GRPC_PORT}` });
    return { PORT, GRPC_PORT };
  }
}
