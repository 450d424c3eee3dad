import { type AgentRegistry } from '#agents';
import { type Config, createPool, type Logger, openSecrets, type Secrets, Signals } from '#platform';
import { GroupCommitter, Store } from '#store';
import { RunLoader } from './claimed-run.js';
import { EagerStart } from './eager-start.js';
import { type PushArrivals } from './push-arrivals.js';
import { PushConfigs } from './push-configs.js';
import { TaskCallbacks } from './task-callbacks.js';
import { TaskDelegations } from './task-delegations.js';
import { TaskJournal } from './task-journal.js';
import { TaskOperator } from './task-operator.js';
import { TaskRepair } from './task-repair.js';
import { TaskSignals } from './task-signals.js';
import { TaskStreams } from './task-streams.js';
import { TaskSubmission } from './task-submission.js';
import { TaskService } from './task.service.js';
import { TaskViews } from './task-view.js';
import { TenantBacklog } from './tenant-backlog.js';
import { WebhookOperator } from './webhook-operator.js';
import { WebhookRepair } from './webhook-repair.js';

/** What the service layer of one process is made of, put together. */
export class Tasks {
  readonly store: Store;
  readonly signals: Signals;
  readonly streams: TaskStreams;
  readonly views: TaskViews;
  readonly loader: RunLoader;
  readonly journal: TaskJournal;
  readonly taskSignals: TaskSignals;
  readonly delegations: TaskDelegations;
  readonly callbacks: TaskCallbacks;
  /** Undefined where the settings give none: then there are no webhooks. */
  readonly secrets?: Secrets;
  readonly pushConfigs: PushConfigs;
  readonly eager = new EagerStart();
  readonly service: TaskService;
  readonly operator: TaskOperator;
  readonly webhookOperator: WebhookOperator;

  constructor(
    readonly config: Config,
    readonly agents: AgentRegistry,
    readonly logger: Logger,
    databaseUrl: string,
  ) {
    this.store = openStore(databaseUrl, config, logger);
    this.signals = Signals.over(databaseUrl, config, logger);
    this.streams = new TaskStreams(this.store, this.signals, config, logger);
    this.views = new TaskViews(this.store);
    this.loader = new RunLoader(this.store, this.views);
    this.secrets = openSecrets(config);
    this.pushConfigs = new PushConfigs(this.store, this.signals, this.secrets, config);
    this.store.committer.onDeliveries = () => this.pushArrivals.announce();
    this.journal = new TaskJournal(this.store, this.streams, this.signals, config, this.pushConfigs);
    this.taskSignals = new TaskSignals(this.store, this.signals, this.eager, config);
    this.delegations = new TaskDelegations(this.store, this.signals);
    this.callbacks = new TaskCallbacks(this.store, this.signals, this.secrets, config);
    const { journal, streams, views, pushConfigs } = this;
    const backlog = new TenantBacklog(this.store, config);
    const submission = new TaskSubmission(
      this.store,
      { journal, eager: this.eager, backlog, loader: this.loader, pushConfigs },
      config,
    );
    const repair = new TaskRepair(this.store, {
      ...{ agents, streams, signals: this.signals, arrivals: this.pushArrivals, config },
    });
    this.operator = new TaskOperator(this.store, { agents, journal, signals: this.taskSignals, repair, logger });
    this.webhookOperator = new WebhookOperator(
      this.store,
      new WebhookRepair(this.store, { arrivals: this.pushArrivals, secrets: this.secrets, logger }),
    );
    this.service = new TaskService(this.store, {
      ...{ agents, submission, journal, streams, views, pushConfigs, config },
    });
  }

  /** Where senders hear of deliveries for webhooks that this process has committed. */
  get pushArrivals(): PushArrivals {
    return this.pushConfigs.arrivals;
  }

  async start(): Promise<void> {
    await this.store.committer.start();
    await this.signals.start();
    this.streams.start();
  }

  async stop(): Promise<void> {
    this.streams.stop();
    await this.store.committer.stop();
    await this.signals.stop();
    await this.store.close();
  }
}

/** Renewals have an answer in time for another one on another connection, before their lease ends. */
const RENEWALS_IN_A_LEASE = 3;
const SHORTEST_TIMEOUT_MS = 250;

function openStore(databaseUrl: string, config: Config, logger: Logger): Store {
  const { leaseMs, databaseTimeoutMs: timeoutMs } = config;
  const { directDatabaseUrl: directUrl = databaseUrl } = config;
  const shared = { sharesSessions: config.directDatabaseUrl !== undefined, logger };
  const calls = { ...shared, applicationName: 'perdure', max: config.poolSize, timeoutMs };
  const renewalMs = Math.max(leaseMs / RENEWALS_IN_A_LEASE, SHORTEST_TIMEOUT_MS);
  const leases = { ...shared, applicationName: 'perdure leases', max: 2, timeoutMs: Math.min(renewalMs, timeoutMs) };
  const pools = { calls: createPool(databaseUrl, calls), leases: createPool(databaseUrl, leases) };
  return new Store(pools, new GroupCommitter(directUrl, leaseMs, logger, timeoutMs));
}
