import { randomInt } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { type Logger } from '#platform';
import { batchSize, grouped } from './commit-batch.js';
import { CommitNotices } from './commit-notices.js';
import { commitStatement } from './commit-statement.js';
import { CommitterConnection } from './committer-connection.js';
import { databaseError, DatabaseUnavailableError, isConflict, isDiskFull, isReadOnly } from './database-error.js';
import { isCommitted, isOutcomeUnknown, reasonOfRefusal, refusalOf } from './write-outcome.js';
import { type AppendWrite, CommitterBusyError, type Write } from './writes.js';

const MAX_WAITING = 20_000;
const ANSWER_TIMEOUT_MS = 10_000;
/** Pause between two attempts to write while the disk is full. */
const ROOM_PAUSE_MS = 250;
const STOP_MS = 5_000;
export const COUNT_SHARDS = 64;

interface Item {
  readonly write: Write;
  resolve(): void;
  reject(error: unknown): void;
}

/**
 * Group commit: one connection, one statement in flight. Idle, it flushes at the end of this turn of the event loop;
 * busy, what arrives meanwhile forms the next flush. A write that fails its fence or a constraint fails alone.
 */
export class GroupCommitter {
  /** Called after a commit that has brought deliveries for webhooks. */
  onDeliveries: () => void = () => undefined;
  private readonly shard = randomInt(COUNT_SHARDS);
  private readonly connection: CommitterConnection;
  private readonly notices = new CommitNotices();
  private waiting: Item[] = [];
  private busy = false;
  private armed = false;
  /** Why nothing can be written for now, where that will not have passed in a moment: new tasks are refused with it. */
  private outage: DatabaseUnavailableError | undefined;
  private heartbeat: NodeJS.Timeout | undefined;

  constructor(
    databaseUrl: string,
    private readonly leaseMs: number,
    private readonly logger: Logger,
    /** Without an answer for so many milliseconds the connection is taken for dead; without a connection new tasks are refused. */
    private readonly answerTimeoutMs = ANSWER_TIMEOUT_MS,
  ) {
    this.connection = new CommitterConnection(databaseUrl, logger, answerTimeoutMs, () => this.onLost());
  }

  async start(): Promise<void> {
    await this.connection.connect();
    // A connection that died while nothing was written is replaced before the next write waits for it.
    this.heartbeat = setInterval(() => void this.check().catch(() => undefined), this.answerTimeoutMs / 2).unref();
  }

  /** Commits what was submitted, as far as the database takes it within 5 s, then closes the connection. */
  async stop(): Promise<void> {
    const patience = performance.now() + STOP_MS;
    while ((this.busy || this.waiting.length > 0) && performance.now() < patience) await delay(5);
    clearInterval(this.heartbeat);
    await this.connection.end();
  }

  /**
   * Commits `write`.
   * @throws LeaseLostError, InputPendingError, SignalPendingError, IdempotencyKeyTakenError, CommitterBusyError,
   * DatabaseUnavailableError, or the database's own error.
   */
  submit(write: Write): Promise<void> {
    // A run's writes are bounded by its window, and refusing one would cost a run that was accepted.
    if (write.kind === 'create' && this.waiting.length >= MAX_WAITING) return Promise.reject(new CommitterBusyError());
    if (write.kind === 'create' && this.outage) return Promise.reject(this.outage);
    return new Promise((resolve, reject) => {
      this.waiting.push({ write, resolve, reject });
      this.arm();
    });
  }

  /** Throws unless the committer's own connection is there and answers. */
  async check(): Promise<void> {
    // What is under way is watched by itself, and nobody waits behind it.
    if (!this.busy || !this.connection.isOpen) await this.connection.check();
  }

  private arm(): void {
    if (this.busy || this.armed || this.waiting.length === 0) return;
    this.armed = true;
    setImmediate(() => {
      this.armed = false;
      if (!this.busy) void this.flush();
    });
  }

  private async flush(): Promise<void> {
    this.busy = true;
    const items = this.waiting.splice(0, batchSize(this.waiting));
    const committed = await this.commit(items).catch((error: unknown) => {
      for (const item of items) item.reject(error);
      return [];
    });
    this.busy = false;
    // What has gathered goes out before these are told: the database works while they go on.
    if (this.waiting.length > 0) void this.flush();
    this.notices.tell(committed);
  }

  /**
   * Commits the items together; what cannot stand together is taken apart until the bad one stands alone. Returns those
   * that are still to be told.
   */
  private async commit(items: readonly Item[]): Promise<readonly Item[]> {
    try {
      return await this.commitTogether(items);
    } catch (error) {
      await this.afterError(items, error);
      return [];
    }
  }

  /** The same for one statement; rejects when it fails as a whole. */
  private async commitTogether(items: readonly Item[]): Promise<readonly Item[]> {
    const refused = await this.execute(items);
    if (refused.length === 0) return items;
    this.notices.tell(items.filter((item) => !refused.includes(item)));
    await this.settleRefused(items, refused);
    return [];
  }

  private async afterError(items: readonly Item[], error: unknown): Promise<void> {
    if (isOutcomeUnknown(error)) return this.settleUnknown(items, error);
    if (isConflict(error)) return this.notices.tell(await this.commit(items));
    if (isDiskFull(error)) return this.waitForRoom(items, error);
    if (isReadOnly(error)) return this.waitForPrimary(items, error);
    if (items.length > 1) {
      const half = items.length >> 1;
      this.notices.tell(await this.commit(items.slice(0, half)));
      return this.notices.tell(await this.commit(items.slice(half)));
    }
    const [item] = items;
    item?.reject(refusalOf(item.write, error) ?? databaseError(error));
  }

  /** Tries again until there is room. Only what runs write waits for it: refusing that would cost a run that was accepted. */
  private async waitForRoom(items: readonly Item[], cause: unknown): Promise<void> {
    const outage = new DatabaseUnavailableError(cause);
    const kept = refuseCreates(items, outage);
    if (kept.length === 0) return;
    this.logger.error({ err: cause, writes: kept.length }, 'committer has no room on the disk, trying again');
    this.refuseNewTasks(outage);
    for (;;) {
      await delay(ROOM_PAUSE_MS);
      if (this.connection.isEnded) return kept.forEach((item) => item.reject(outage));
      try {
        const committed = await this.commitTogether(kept);
        this.outage = undefined;
        return this.notices.tell(committed);
      } catch (error) {
        if (isDiskFull(error)) continue;
        this.outage = undefined;
        return this.afterError(kept, error);
      }
    }
  }

  /** The connection leads to a Postgres that takes no writes any more, and nothing was written: goes on with one that does. */
  private async waitForPrimary(items: readonly Item[], cause: unknown): Promise<void> {
    const kept = refuseCreates(items, new DatabaseUnavailableError(cause));
    this.logger.warn(
      { err: cause, writes: kept.length },
      'committer is connected to a read-only database, reconnecting',
    );
    await this.reconnect();
    if (kept.length > 0) this.notices.tell(await this.commit(kept));
  }

  /** Those that wait are told at once, and those to come. */
  private refuseNewTasks(outage: DatabaseUnavailableError): void {
    this.outage = outage;
    this.waiting = refuseCreates(this.waiting, outage);
  }

  /** Runs one statement for all items and returns those whose fence did not hold. */
  private async execute(items: readonly Item[]): Promise<Item[]> {
    const { newTasks, groups } = grouped(items);
    const statement = commitStatement(newTasks, groups, { leaseMs: this.leaseMs, shard: this.shard });
    const { rows } = await this.connection.session.query<[number]>({ ...statement, rowMode: 'array' });
    const held = new Set(rows.map(([i]) => Math.abs(i)));
    if (newTasks.some(({ create }) => create.push) || rows.some(([i]) => i < 0)) this.onDeliveries();
    return groups.flatMap((group, i) => (held.has(i + 1) ? [] : group.items));
  }

  /** A merged group that was refused may hold writes that stand alone: each is tried by itself, in order. */
  private async settleRefused(items: readonly Item[], refused: readonly Item[]): Promise<void> {
    if (items.length > 1) {
      for (const item of refused) this.notices.tell(await this.commit([item]));
      return;
    }
    const [item] = refused;
    if (!item) return;
    try {
      item.reject(await reasonOfRefusal(this.connection.session, item.write as AppendWrite));
    } catch (error) {
      await this.afterError([item], error);
    }
  }

  /** The connection broke under a statement: whether it committed is read from the tables, item by item. */
  private async settleUnknown(items: readonly Item[], cause: unknown): Promise<void> {
    this.logger.warn({ err: cause, writes: items.length }, 'commit outcome unknown, reading it back');
    await this.reconnect();
    for (const [i, item] of items.entries()) {
      let committed: boolean;
      try {
        committed = await isCommitted(this.connection.session, item.write);
      } catch (error) {
        return this.settleUnknown(items.slice(i), error);
      }
      if (committed) item.resolve();
      else this.notices.tell(await this.commit([item]));
    }
  }

  private onLost(): void {
    if (!this.busy && !this.connection.isEnded) void this.idleReconnect();
  }

  private async idleReconnect(): Promise<void> {
    this.busy = true;
    // It gives up only when the committer is stopped.
    await this.reconnect().catch(() => undefined);
    this.busy = false;
    this.arm();
  }

  private async reconnect(): Promise<void> {
    await this.connection.reconnect((error) => this.refuseNewTasks(new DatabaseUnavailableError(error)));
    this.outage = undefined;
  }
}

/** Answers the new tasks among the items with the error, and returns the rest. */
function refuseCreates(items: readonly Item[], error: Error): Item[] {
  for (const item of items) if (item.write.kind === 'create') item.reject(error);
  return items.filter(({ write }) => write.kind !== 'create');
}
