import { randomInt } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import pg from 'pg';
import { connectionOptions, type Logger } from '#platform';
import { type AppendGroup, commitStatement } from './commit-statement.js';
import { constraintOf, isConflict, sqlState } from './database.js';
import {
  type AppendWrite,
  CommitterBusyError,
  type CreateWrite,
  IdempotencyKeyTakenError,
  InputPendingError,
  LeaseLostError,
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
/** Without an answer for so long the line is taken for dead. A dead line says nothing by itself, for a quarter of an hour. */
const ANSWER_TIMEOUT_MS = 30_000;
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
  private waiting: Item[] = [];
  private busy = false;
  private armed = false;
  private stopped = false;

  constructor(
    private readonly databaseUrl: string,
    private readonly leaseMs: number,
    private readonly logger: Logger,
    private readonly answerTimeoutMs = ANSWER_TIMEOUT_MS,
  ) {}

  async start(): Promise<void> {
    await this.connect();
  }

  /** Commits what was submitted, as far as the database takes it within 5 s, then closes the connection. */
  async stop(): Promise<void> {
    const patience = performance.now() + STOP_MS;
    while ((this.busy || this.waiting.length > 0) && performance.now() < patience) await delay(5);
    this.stopped = true;
    await this.client?.end();
  }

  /**
   * Commits `write`.
   * @throws LeaseLostError, InputPendingError, IdempotencyKeyTakenError, CommitterBusyError, or the database's own error.
   */
  submit(write: Write): Promise<void> {
    // A run's writes are bounded by its window, and refusing one would cost a run that was accepted.
    if (write.kind === 'create' && this.waiting.length >= MAX_WAITING) return Promise.reject(new CommitterBusyError());
    return new Promise((resolve, reject) => {
      this.waiting.push({ write, resolve, reject });
      this.arm();
    });
  }

  /** Throws unless the committer's own connection answers. */
  async check(): Promise<void> {
    if (!this.client) throw new Error('the committer is not connected');
    if (!this.busy) await this.client.query('select 1');
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
    tell(committed);
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
    let refused: Item[];
    try {
      refused = await this.execute(items);
    } catch (error) {
      await this.afterError(items, error);
      return [];
    }
    if (refused.length === 0) return items;
    tell(items.filter((item) => !refused.includes(item)));
    await this.settleRefused(items, refused);
    return [];
  }

  private async afterError(items: readonly Item[], error: unknown): Promise<void> {
    if (isOutcomeUnknown(error)) return this.settleUnknown(items, error);
    if (isConflict(error)) return tell(await this.commit(items));
    if (items.length > 1) {
      const half = items.length >> 1;
      tell(await this.commit(items.slice(0, half)));
      return tell(await this.commit(items.slice(half)));
    }
    const [item] = items;
    item?.reject(refusalOf(item.write, constraintOf(error)) ?? error);
  }

  /** Runs one statement for all items and returns those whose fence did not hold. */
  private async execute(items: readonly Item[]): Promise<Item[]> {
    const creates = items.map(({ write }) => write).filter((write) => write.kind === 'create');
    const groups = grouped(items);
    const held = await this.query(creates, groups);
    return groups.flatMap((group, i) => (held.has(i + 1) ? [] : group.items));
  }

  private async query(creates: readonly CreateWrite[], groups: readonly AppendGroup[]): Promise<Set<number>> {
    if (!this.client) throw new Error('no connection');
    const statement = commitStatement(creates, groups, { leaseMs: this.leaseMs, shard: this.shard });
    const { rows } = await this.client.query<[number]>({ ...statement, rowMode: 'array' });
    return new Set(rows.map(([i]) => i));
  }

  /** A merged group that was refused may hold writes that stand alone: each is tried by itself, in order. */
  private async settleRefused(items: readonly Item[], refused: readonly Item[]): Promise<void> {
    if (items.length > 1) {
      for (const item of refused) tell(await this.commit([item]));
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
    const { rows } = await this.client!.query<{ inputs: number }>(
      'select inputs from perdure.tasks where tenant_id = $1 and id = $2 and lease_token = $3 and last_sequence = $4',
      [write.tenantId, write.taskId, write.token, write.base],
    );
    const pending = write.inputs !== undefined && rows[0] !== undefined && rows[0].inputs !== write.inputs;
    return pending ? new InputPendingError() : new LeaseLostError(write.tenantId, write.taskId);
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
      else tell(await this.commit([item]));
    }
  }

  /** The newest thing a write leaves behind tells whether it was committed: writes are atomic and their keys unique. */
  private async isCommitted(write: Write): Promise<boolean> {
    const sequence = write.kind === 'create' ? 1 : write.base + 1;
    const event = write.kind === 'create' ? write.event : write.events[0];
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
      ...connectionOptions(this.databaseUrl),
      application_name: 'perdure committer',
      options: PLANNER,
      query_timeout: this.answerTimeoutMs,
    });
    client.on('error', (error) => {
      if (this.client !== client) return;
      this.client = undefined;
      this.logger.warn({ err: error }, 'committer connection lost');
      if (!this.busy && !this.stopped) void this.idleReconnect();
    });
    try {
      await client.connect();
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
    for (let pause = 20; !this.stopped; pause = Math.min(pause * 2, 1000)) {
      try {
        return await this.connect();
      } catch (error) {
        this.logger.warn({ err: error }, 'committer cannot connect, trying again');
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

function tell(committed: readonly Item[]): void {
  for (const item of committed) item.resolve();
}

/** The waiting appends of each lease as one group, in the order in which all committers lock tasks. */
function grouped(items: readonly Item[]): Group[] {
  const groups = new Map<string, Group>();
  for (const item of items) {
    const { write } = item;
    if (write.kind === 'create') continue;
    // A run that lost its lease and the run that took over are different groups, even in one flush.
    const key = `${write.tenantId}/${write.taskId}/${write.token}`;
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
  return [...groups.values()].sort((a, b) => (a.key < b.key ? -1 : 1));
}

function lengthOf(write: Write): number {
  if (write.kind === 'create') return write.event.length + write.message.length;
  let length = write.snapshot?.length ?? 0;
  for (const event of write.events) length += event.length;
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
