import { SigningKeys } from '#access';
import { type Agent, AgentRegistry, loadAgents } from '#agents';
import { compatWebhookBody } from '#bindings';
import { Execution } from '#execution';
import {
  type Config,
  createLogger,
  type Logger,
  migrateQueue,
  openQueueConnection,
  type Role,
  startEmbeddedPostgres,
} from '#platform';
import { Push } from '#push';
import { checkSchema, migrate } from '#store';
import { Tasks } from '#tasks';
import { StrayErrors } from './stray-errors.js';
import { Teardown } from './teardown.js';

/** What is beneath the edge of every process, whatever its role. */
export interface ProcessCore {
  readonly config: Config;
  readonly logger: Logger;
  readonly agents: AgentRegistry;
  readonly tasks: Tasks;
  readonly signingKeys: SigningKeys;
  readonly execution: Execution;
  readonly push: Push;
  readonly teardown: Teardown;
  /** Starts execution and push: from here on handlers may run, and webhooks are sent to. */
  readonly work: () => void;
}

/** Where a process is reached. */
export interface ProcessAddresses {
  /** Base URL. */
  readonly url: string;
  /** `host:port` where it takes gRPC; undefined where it takes none. */
  readonly grpc: string | undefined;
}

/** A process that does what its role says. */
export interface RunningProcess extends ProcessAddresses {
  readonly role: Role;
  readonly agents: readonly Agent[];
  /** Drains and stops everything; resolves when nothing of it is left. */
  stop(): Promise<void>;
}

/**
 * Starts what all roles have in common, then the edge, which calls `work` when it is ready to. A start that fails leaves
 * nothing running.
 */
export async function startProcess(
  config: Config,
  openEdge: (core: ProcessCore) => Promise<ProcessAddresses>,
): Promise<RunningProcess> {
  const logger = createLogger(config);
  const teardown = new Teardown(logger);
  const strays = new StrayErrors(logger);
  teardown.add('stray errors', () => strays.stop());
  try {
    // Agents first: a file that does not load stops the start before anything else has begun.
    const agents = new AgentRegistry(await loadAgents(config.agentDirs, config));
    const databaseUrl = await openDatabase(config, logger, teardown);
    const queue = await openQueueConnection(databaseUrl, config, logger);
    teardown.add('queue connection', () => queue.close());
    const tasks = new Tasks(config, agents, logger, databaseUrl);
    teardown.add('tasks', () => tasks.stop());
    await tasks.start();
    const signingKeys = await openSigningKeys(tasks, teardown);
    const execution = new Execution(tasks, queue);
    // Where a worker listens there are no keys, and the address is nobody's business.
    const own = config.role === 'worker' ? undefined : `http://${config.host}:${config.port}`;
    let issuer = config.publicUrl?.replace(/\/+$/, '') ?? own;
    const push = new Push(tasks, queue, { signingKeys, issuer: () => issuer, writeTask: compatWebhookBody });
    const work = () => {
      strays.handlersRun(agents.all());
      execution.start();
      push.start();
    };
    teardown.add('execution', () => execution.stop());
    teardown.add('push', () => push.stop());
    const addresses = await openEdge({ config, logger, agents, tasks, signingKeys, execution, push, teardown, work });
    // With PORT=0 it is known only now.
    if (issuer === own && own !== undefined) issuer = addresses.url;
    return { ...addresses, role: config.role, agents: agents.all(), stop: () => teardown.run() };
  } catch (error) {
    await teardown.run();
    throw error;
  }
}

/** Servers sign cards, workers webhooks: one that has no secret key delivers none, and gets along without the keys. */
async function openSigningKeys(
  { config, store, signals, secrets, logger }: Tasks,
  teardown: Teardown,
): Promise<SigningKeys> {
  const keys = new SigningKeys({ store, signals, secrets, logger });
  teardown.add('signing keys', () => keys.stop());
  if (secrets || config.role !== 'worker') await keys.start();
  if (secrets && config.role === 'worker' && config.publicUrl === undefined) {
    logger.warn({ hint: 'set PUBLIC_URL to sign webhooks with tokens' }, 'push.no_public_url');
  }
  return keys;
}

/**
 * A process that does everything by itself brings its database to the newest schema, and has one of its own where none is
 * named. Of several processes none may decide on that: they want the schema to be there.
 */
async function openDatabase(config: Config, logger: Logger, teardown: Teardown): Promise<string> {
  const databaseUrl = config.databaseUrl ?? (await embedded(config, logger, teardown));
  const directUrl = config.directDatabaseUrl ?? databaseUrl;
  if (config.role !== 'all') await checkSchema(directUrl);
  else {
    await migrate(directUrl, { timeoutMs: config.migrationTimeoutMs });
    await migrateQueue(directUrl);
  }
  return databaseUrl;
}

async function embedded(config: Config, logger: Logger, teardown: Teardown): Promise<string> {
  const postgres = await startEmbeddedPostgres({ dataDir: config.dataDir, logger });
  teardown.add('postgres', () => postgres.stop());
  return postgres.url;
}
