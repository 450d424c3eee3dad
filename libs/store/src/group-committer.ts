import { randomInt } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import pg from 'pg';
import { connectionOptions, type Logger, watchLine } from '#platform';
import { CommitNotices } from './commit-notices.js';
import { type AppendGroup, commitStatement, type NewTask } from './commit-statement.js';
import {
  constraintOf,
  databaseError,
  DatabaseUnavailableError,
  isConflict,
  isDiskFull,
  sqlState,
} from './database-error.js';
import {
  type AppendWrite,
  CommitterBusyError,
  IdempotencyKeyTakenError,
  InputPendingError,
  LeaseLostError,
  SignalPendingError,
  TaskIdTakenError,
  type Write,
} from './writes.js';

/** Generic plans that take the primary key: docs/adr/0004. */
const PLANNER =
  '-c plan_cache_mode=force_generic_plan -c jit=off -c enable_hashjoin=off -c enable_mergejoin=off -c enable_seqscan=off -c enable_bitmapscan=off';
const MAX_BATCH = 256;
/** Characters in one statement, less those of its last write: what goes to Postgres at once has to fit into memory. */
const MAX_BATCH_LENGTH = 8_000_000;
const MAX_WAITING = 20_000;
const ANSWER_TIMEOUT_MS = 10_000;
/** Pause between two attempts to write while the disk is full. */
const ROOM_PAUSE_MS = 250;
const STOP_MS = 5_000;
export const COUNT_SHARDS = 64;

/** A backend that lost its client goes on for as long as the network lets it think otherwise, and keeps its lock. */
const END_OLDER_SESSION = `
  select pg_terminate_backend(pid) from pg_locks
  where locktype = 'advisory' and objsubid = 1 and granted and pid <> pg_backend_pid()
    and database = (select oid from pg_database where datname = current_database())
    and (classid::int8 << 32 | objid::int8) = $1::int8`;

interface Item {
  readonly write: Write;
  resolve(): void;
  reject(error: unknown): void;
}

interface Group extends AppendGroup {
  readonly items: Item[];
}

/**
 * Group commit: one connection, one statement in flight. Idle, it flushes at the end of this turn of the event loop;
 * busy, what arrives meanwhile forms the next flush. A write that fails its fence or a constraint fails alone.
 */
export class GroupCommitter {
  private readonly shard = randomInt(COUNT_SHARDS);
  /** Session lock that the newest connection holds: while an older one may still commit, the newer waits. */
  private readonly sessionLock = randomInt(2 ** 40);
  private client: pg.Client | undefined;
  private readonly notices = new CommitNotices();
  private waiting: Item[] = [];
  private busy = false;
  private armed = false;
  private stopped = false;
  /** Why nothing can be written for now, where that will not have passed in a moment: new tasks are refused with it. */
  private outage: DatabaseUnavailableError | undefined;
  private heartbeat: NodeJS.Timeout | undefined;
  private asked: Promise<unknown> | undefined;

  constructor(
    private readonly databaseUrl: string,
    private readonly leaseMs: number,
    private readonly logger: Logger,
    /** Without an answer for so many milliseconds the connection is taken for dead; without a connection new tasks are refused. */
    private readonly answerTimeoutMs = ANSWER_TIMEOUT_MS,
  ) {}

  async start(): Promise<void> {
    await this.connect();
    // A connection that died while nothing was written is replaced before the next write waits for it.
    this.heartbeat = setInterval(() => void this.check().catch(() => undefined), this.answerTimeoutMs / 2).unref();
  }

  /** Commits what was submitted, as far as the database takes it within 5 s, then closes the connection. */
  async stop(): Promise<void> {
    const patience = performance.now() + STOP_MS;
    while ((this.busy || this.waiting.length > 0) && performance.now() < patience) await delay(5);
    this.stopped = true;
    clearInterval(this.heartbeat);
    await this.client?.end();
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

  /** Throws unless the committer's own connection answers. */
  async check(): Promise<void> {
    if (!this.client) throw new Error('the committer is not connected');
    if (this.busy || this.asked) return void (await this.asked);
    this.asked = this.client.query('select 1').finally(() => (this.asked = undefined));
    await this.asked;
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
    const items = this.waiting.splice(0, this.batchSize());
    const committed = await this.commit(items).catch((error: unknown) => {
      for (const item of items) item.reject(error);
      return [];
    });
    this.busy = false;
    // What has gathered goes out before these are told: the database works while they go on.
    if (this.waiting.length > 0) void this.flush();
    this.notices.tell(committed);
  }

  /** How many of the waiting writes the next statement takes. */
  private batchSize(): number {
    const limit = Math.min(this.waiting.length, MAX_BATCH);
    let count = 0;
    for (let length = 0; count < limit && length < MAX_BATCH_LENGTH; count++)
      length += lengthOf(this.waiting[count]!.write);
    return count;
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
    if (items.length > 1) {
      const half = items.length >> 1;
      this.notices.tell(await this.commit(items.slice(0, half)));
      return this.notices.tell(await this.commit(items.slice(half)));
    }
    const [item] = items;
    item?.reject(refusalOf(item.write, constraintOf(error)) ?? databaseError(error));
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
      if (this.stopped) return kept.forEach((item) => item.reject(outage));
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

  /** Those that wait are told at once, and those to come. */
  private refuseNewTasks(outage: DatabaseUnavailableError): void {
    this.outage = outage;
    this.waiting = refuseCreates(this.waiting, outage);
  }

  /** Runs one statement for all items and returns those whose fence did not hold. */
  private async execute(items: readonly Item[]): Promise<Item[]> {
    const { newTasks, groups } = grouped(items);
    const held = await this.query(newTasks, groups);
    return groups.flatMap((group, i) => (held.has(i + 1) ? [] : group.items));
  }

  private async query(newTasks: readonly NewTask[], groups: readonly AppendGroup[]): Promise<Set<number>> {
    if (!this.client) throw new Error('no connection');
    const statement = commitStatement(newTasks, groups, { leaseMs: this.leaseMs, shard: this.shard });
    const { rows } = await this.client.query<[number]>({ ...statement, rowMode: 'array' });
    return new Set(rows.map(([i]) => i));
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
      item.reject(await this.reasonOfRefusal(item.write as AppendWrite));
    } catch (error) {
      await this.afterError([item], error);
    }
  }

  private async reasonOfRefusal(write: AppendWrite): Promise<Error> {
    const { rows } = await this.client!.query<{ inputs: number; signals: number }>(
      'select inputs, signals from perdure.tasks where tenant_id = $1 and id = $2 and lease_token = $3 and last_sequence = $4',
      [write.tenantId, write.taskId, write.token, write.base],
    );
    const [row] = rows;
    if (row && write.inputs !== undefined && row.inputs !== write.inputs) return new InputPendingError();
    if (row && write.signals !== undefined && row.signals !== write.signals) return new SignalPendingError();
    return new LeaseLostError(write.tenantId, write.taskId);
  }

  /** The connection broke under a statement: whether it committed is read from the tables, item by item. */
  private async settleUnknown(items: readonly Item[], cause: unknown): Promise<void> {
    this.logger.warn({ err: cause, writes: items.length }, 'commit outcome unknown, reading it back');
    await this.reconnect();
    for (const [i, item] of items.entries()) {
      let committed: boolean;
      try {
        committed = await this.isCommitted(item.write);
      } catch (error) {
        return this.settleUnknown(items.slice(i), error);
      }
      if (committed) item.resolve();
      else this.notices.tell(await this.commit([item]));
    }
  }

  /** The newest thing a write leaves behind tells whether it was committed: writes are atomic and their keys unique. */
  private async isCommitted(write: Write): Promise<boolean> {
    const sequence = write.kind === 'create' ? 1 : write.base + 1;
    const event = write.events[0];
    if (event !== undefined)
      return this.holds('task_events where sequence = $3 and event = $4', write, [sequence, event]);
    const record = write.kind === 'append' ? write.journal?.[0] : undefined;
    if (!record) return false;
    const { turn, branch, position, kind } = record;
    const place = 'task_journal where turn = $3 and branch = $4 and position = $5 and kind = $6';
    return this.holds(place, write, [turn, branch, position, kind]);
  }

  private async holds(from: string, { tenantId, taskId }: Write, values: unknown[]): Promise<boolean> {
    const text = `select 1 from perdure.${from} and tenant_id = $1 and task_id = $2`;
    const { rowCount } = await this.client!.query(text, [tenantId, taskId, ...values]);
    return rowCount !== 0;
  }

  private async connect(): Promise<void> {
    const client = new pg.Client({
      ...connectionOptions(this.databaseUrl, 'perdure committer', this.answerTimeoutMs),
      options: PLANNER,
    });
    client.on('error', (error) => {
      if (this.client !== client) return;
      this.client = undefined;
      this.logger.warn({ err: error }, 'committer connection lost');
      if (!this.busy && !this.stopped) void this.idleReconnect();
    });
    try {
      await client.connect();
      watchLine(client, this.answerTimeoutMs);
      await client.query(END_OLDER_SESSION, [this.sessionLock]);
      await client.query('select pg_advisory_lock($1)', [this.sessionLock]);
    } catch (error) {
      client.end().catch(() => undefined);
      throw error;
    }
    this.client = client;
  }

  private async idleReconnect(): Promise<void> {
    this.busy = true;
    // It gives up only when the committer is stopped.
    await this.reconnect().catch(() => undefined);
    this.busy = false;
    this.arm();
  }

  private async reconnect(): Promise<void> {
    const old = this.client;
    this.client = undefined;
    // Not awaited: over a dead line the farewell never ends; the session lock is what waits for the old backend.
    old?.end().catch(() => undefined);
    const patience = performance.now() + this.answerTimeoutMs;
    for (let pause = 20; !this.stopped; pause = Math.min(pause * 2, 1000)) {
      try {
        await this.connect();
        this.outage = undefined;
        return;
      } catch (error) {
        this.logger.warn({ err: error }, 'committer cannot connect, trying again');
        if (performance.now() > patience) this.refuseNewTasks(new DatabaseUnavailableError(error));
        await delay(pause);
      }
    }
    throw new Error('the committer is stopped');
  }
}

/** Why a write is refused that violates the constraint; undefined where that is nobody's to foresee. */
function refusalOf({ kind }: Write, constraint: string | undefined): Error | undefined {
  if (constraint === 'idempotency_keys_pkey') return new IdempotencyKeyTakenError();
  return kind === 'create' && constraint !== undefined && TASK_KEYS.has(constraint)
    ? new TaskIdTakenError()
    : undefined;
}

/** The keys that a new task's rows share with those of a task of the same id; any of them may be the first to be checked. */
const TASK_KEYS = new Set(['tasks_pkey', 'task_events_pkey', 'task_messages_pkey']);

/** Answers the new tasks among the items with the error, and returns the rest. */
function refuseCreates(items: readonly Item[], error: Error): Item[] {
  for (const item of items) if (item.write.kind === 'create') item.reject(error);
  return items.filter(({ write }) => write.kind !== 'create');
}

/**
 * The new tasks with what their runs have written since, and the waiting appends of each other lease as one group, in
 * the order in which all committers lock tasks.
 */
function grouped(items: readonly Item[]): { newTasks: NewTask[]; groups: Group[] } {
  const newTasks: NewTask[] = [];
  const begun = new Map<string, NewTask>();
  const groups = new Map<string, Group>();
  for (const item of items) {
    const { write } = item;
    if (write.kind === 'create') {
      const newTask = { create: write, appends: [] };
      newTasks.push(newTask);
      // The lease that a task is created with has the token 1.
      if (write.leaseOwner !== null) begun.set(leaseKey(write, 1), newTask);
      continue;
    }
    // A run that lost its lease and the run that took over are different groups, even in one flush.
    const key = leaseKey(write, write.token);
    const newTask = begun.get(key);
    if (newTask && follows(write, newTask)) {
      newTask.appends.push(write);
      continue;
    }
    const group = groups.get(key);
    const last = group?.writes.at(-1);
    if (group && last && last.base + last.events.length === write.base) {
      group.writes.push(write);
      group.items.push(item);
    } else {
      // What does not follow is not merged: the fence judges it by itself.
      groups.set(group ? `${key}/${groups.size}` : key, { key, writes: [write], items: [item] });
    }
  }
  return { newTasks, groups: [...groups.values()].sort((a, b) => (a.key < b.key ? -1 : 1)) };
}

/** Whether the write is the next one to a new task. Nothing can have come to it yet but its first message. */
function follows({ base, inputs = 1, signals = 0 }: AppendWrite, { create, appends }: NewTask): boolean {
  const last = appends.at(-1);
  const next = last ? last.base + last.events.length : create.events.length;
  return base === next && inputs === 1 && signals === 0;
}

/** `tenant/task/token`: names one lease. */
function leaseKey({ tenantId, taskId }: Write, token: number): string {
  return `${tenantId}/${taskId}/${token}`;
}

function lengthOf(write: Write): number {
  let length = write.kind === 'create' ? write.message.length : (write.snapshot?.length ?? 0);
  for (const event of write.events) length += event.length;
  if (write.kind === 'create') return length;
  for (const { value } of write.journal ?? []) length += value?.length ?? 0;
  return length;
}

/**
 * Whether the statement may have been committed: the connection broke (SQLSTATE 08, 57P for a shutdown or crash, or none).
 * A RangeError is ours, before anything was sent: a time that is none, texts that are too long together.
 */
function isOutcomeUnknown(error: unknown): boolean {
  const state = sqlState(error);
  return state === undefined ? !(error instanceof RangeError) : /^(08|57P)/.test(state);
}
