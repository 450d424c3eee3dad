import { type AgentRegistry } from '#agents';
import { closePool, type Config, createPool, type Logger, openSecrets, Signals } from '#platform';
import { GroupCommitter, Store } from '#store';
import { RunLoader } from './claimed-run.js';
import { EagerStart } from './eager-start.js';
import { SigningKeys } from './signing-keys.js';
import { TaskJournal } from './task-journal.js';
import { TaskStreams } from './task-streams.js';
import { TaskSubmission } from './task-submission.js';
import { TaskService } from './task.service.js';
import { TaskViews } from './task-view.js';

/** What the service layer of one process is made of, put together. */
export class Tasks {
  readonly store: Store;
  readonly signals: Signals;
  readonly streams: TaskStreams;
  readonly views: TaskViews;
  readonly loader: RunLoader;
  readonly journal: TaskJournal;
  readonly eager = new EagerStart();
  readonly service: TaskService;
  readonly signingKeys: SigningKeys;

  constructor(
    readonly config: Config,
    readonly agents: AgentRegistry,
    readonly logger: Logger,
    databaseUrl: string,
  ) {
    const pool = createPool(databaseUrl, { max: config.poolSize, applicationName: 'perdure', logger });
    this.store = new Store(pool, new GroupCommitter(databaseUrl, config.leaseMs, logger));
    this.signals = new Signals(databaseUrl, logger);
    this.signingKeys = new SigningKeys({
      ...{ store: this.store, signals: this.signals, logger },
      secrets: openSecrets(config),
    });
    this.streams = new TaskStreams(this.store, this.signals, config, logger);
    this.views = new TaskViews(this.store);
    this.loader = new RunLoader(this.store, this.views);
    this.journal = new TaskJournal(this.store, this.streams, this.signals, config);
    const submission = new TaskSubmission(this.store, this.journal, this.eager, this.loader);
    const { journal, streams, views } = this;
    this.service = new TaskService(this.store, { agents, submission, journal, streams, views, config });
  }

  async start(): Promise<void> {
    await this.store.committer.start();
    await this.signals.start();
    await this.signingKeys.start();
    this.streams.start();
  }

  async stop(): Promise<void> {
    this.streams.stop();
    await this.signingKeys.stop();
    await this.store.committer.stop();
    await this.signals.stop();
    await closePool(this.store.db);
  }
}
