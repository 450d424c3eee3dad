import 'reflect-metadata';
import { type INestApplication } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { SigningKeys } from '#access';
import { type Agent, AgentRegistry, loadAgents } from '#agents';
import { createHttpAdapter, GrpcAddress, GrpcServer, OpenCalls, PublicUrl } from '#bindings';
import { Execution } from '#execution';
import {
  type Config,
  createLogger,
  type Logger,
  openQueueConnection,
  openSecrets,
  type QueueConnection,
  startEmbeddedPostgres,
} from '#platform';
import { migrate } from '#store';
import { Tasks } from '#tasks';
import { NestLog } from './nest-log.js';
import { ServerModule } from './server.module.js';
import { StrayErrors } from './stray-errors.js';
import { Teardown } from './teardown.js';

/** How long streams may take for the events of the runs that ended just now; a slow reader resumes elsewhere. */
const DELIVERY_MS = 1_000;

/** A server that takes calls and runs handlers, in this process. */
export interface RunningServer {
  /** Base URL under which it is reached. */
  readonly url: string;
  /** `host:port` where it takes gRPC; undefined where that is off. */
  readonly grpc: string | undefined;
  readonly agents: readonly Agent[];
  /** Drains and stops everything; resolves when nothing of it is left. */
  stop(): Promise<void>;
}

/**
 * Starts the default mode: database (embedded, where `databaseUrl` is absent), migrations, queue, worker and API in
 * one process. A start that fails leaves nothing running.
 */
export async function startServer(config: Config): Promise<RunningServer> {
  const logger = createLogger(config);
  const teardown = new Teardown(logger);
  const strays = new StrayErrors(logger);
  teardown.add('stray errors', () => strays.stop());
  try {
    // Agents first: a file that does not load stops the start before anything else has begun.
    const agents = new AgentRegistry(await loadAgents(config.agentDirs, config));
    const databaseUrl = config.databaseUrl ?? (await embedded(config, logger, teardown));
    await migrate(databaseUrl);
    const queue: QueueConnection = await openQueueConnection(databaseUrl, logger, config.databaseTimeoutMs);
    teardown.add('queue connection', () => queue.close());
    const tasks = new Tasks(config, agents, logger, databaseUrl);
    teardown.add('tasks', () => tasks.stop());
    await tasks.start();
    const { store, signals } = tasks;
    const signingKeys = new SigningKeys({ store, signals, secrets: openSecrets(config), logger });
    teardown.add('signing keys', () => signingKeys.stop());
    await signingKeys.start();
    const execution = new Execution(tasks, queue);
    teardown.add('execution', () => execution.stop());
    const app = await createApp(tasks, signingKeys, execution);
    teardown.add('http and grpc', () => app.close());
    strays.handlersRun(agents.all());
    execution.start();
    teardown.add('drain', () => drain(app, execution, tasks));
    await app.init();
    // First: whoever finds /health/ready or a card finds everything that it names.
    await app.get(GrpcServer).listen();
    await app.listen(config.port, config.host);
    const addresses = { url: app.get(PublicUrl).base, grpc: app.get(GrpcAddress).local };
    return { ...addresses, agents: agents.all(), stop: () => teardown.run() };
  } catch (error) {
    await teardown.run();
    throw error;
  }
}

async function embedded(config: Config, logger: Logger, teardown: Teardown): Promise<string> {
  const postgres = await startEmbeddedPostgres({ dataDir: config.dataDir, logger });
  teardown.add('postgres', () => postgres.stop());
  return postgres.url;
}

async function createApp(tasks: Tasks, signingKeys: SigningKeys, execution: Execution): Promise<INestApplication> {
  const checks = [
    { name: 'database', check: () => tasks.store.check() },
    { name: 'queue', check: () => execution.check() },
  ];
  return NestFactory.create(ServerModule.of(tasks, signingKeys, checks), createHttpAdapter(tasks.config), {
    bodyParser: false,
    abortOnError: false,
    logger: new NestLog(tasks.logger),
  });
}

/** No new calls; the runs get their time, and streams their last events; then who still waits is answered with the task as it is. */
async function drain(app: INestApplication, execution: Execution, { streams }: Tasks): Promise<void> {
  const calls = app.get(OpenCalls);
  calls.stopTaking();
  await execution.drain();
  await streams.delivered(DELIVERY_MS);
  await calls.drain();
}
