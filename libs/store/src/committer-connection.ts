import { randomInt } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import pg from 'pg';
import { connectionOptions, type Logger, watchLine } from '#platform';
import { type Queryable } from './database.js';

/** Generic plans that take the primary key: docs/adr/0004. */
const PLANNER =
  '-c plan_cache_mode=force_generic_plan -c jit=off -c enable_hashjoin=off -c enable_mergejoin=off -c enable_seqscan=off -c enable_bitmapscan=off';
const FIRST_PAUSE_MS = 20;
const LONGEST_PAUSE_MS = 1_000;

/** A backend that lost its client goes on for as long as the network lets it think otherwise, and keeps its lock. */
const END_OLDER_SESSION = `
  select pg_terminate_backend(pid) from pg_locks
  where locktype = 'advisory' and objsubid = 1 and granted and pid <> pg_backend_pid()
    and database = (select oid from pg_database where datname = current_database())
    and (classid::int8 << 32 | objid::int8) = $1::int8`;

const BEGIN_SESSION = `
  select pg_advisory_lock($1), current_setting('transaction_read_only')::bool as "isReadOnly"`;

/** The committer's connection: to a Postgres that takes writes, one at a time, and replaced when it breaks. */
export class CommitterConnection {
  /** Session lock that the newest connection holds: while an older one may still commit, the newer waits. */
  private readonly sessionLock = randomInt(2 ** 40);
  private client: pg.Client | undefined;
  private asked: Promise<unknown> | undefined;
  private ended = false;

  constructor(
    private readonly databaseUrl: string,
    private readonly logger: Logger,
    /** Without an answer for so many milliseconds the connection is taken for dead. */
    private readonly answerTimeoutMs: number,
    /** Told of a connection that has broken, before what was under way on it fails. */
    private readonly onLost: () => void,
  ) {}

  /** What statements go out on. @throws Error while there is no connection. */
  get session(): Queryable {
    if (!this.client) throw new Error('the committer is not connected');
    return this.client;
  }

  get isOpen(): boolean {
    return this.client !== undefined;
  }

  get isEnded(): boolean {
    return this.ended;
  }

  /** Throws unless Postgres answers. */
  async check(): Promise<void> {
    this.asked ??= this.session.query('select 1').finally(() => (this.asked = undefined));
    await this.asked;
  }

  async end(): Promise<void> {
    this.ended = true;
    await this.client?.end();
  }

  async connect(): Promise<void> {
    const client = new pg.Client({
      ...connectionOptions(this.databaseUrl, 'perdure committer', this.answerTimeoutMs),
      options: PLANNER,
    });
    client.on('error', (error) => {
      if (this.client !== client) return;
      this.client = undefined;
      this.logger.warn({ err: error }, 'committer connection lost');
      this.onLost();
    });
    try {
      await client.connect();
      watchLine(client, this.answerTimeoutMs);
      await this.beginSession(client);
      // Nobody else would close it.
      if (this.ended) throw new Error('the committer is stopped');
    } catch (error) {
      client.end().catch(() => undefined);
      throw error;
    }
    this.client = client;
  }

  /** After a failover the address may lead to what is a standby now, for a while. */
  private async beginSession(client: pg.Client): Promise<void> {
    await client.query(END_OLDER_SESSION, [this.sessionLock]);
    const { rows } = await client.query<{ isReadOnly: boolean }>(BEGIN_SESSION, [this.sessionLock]);
    if (rows[0]?.isReadOnly) throw new Error('the database takes no writes: it is a standby, or read-only');
  }

  /**
   * Drops the connection, and tries until there is another one; `onAway` hears of each failure once that has taken longer
   * than an answer may. @throws Error when the connection is ended meanwhile.
   */
  async reconnect(onAway: (error: unknown) => void): Promise<void> {
    const old = this.client;
    this.client = undefined;
    // Not awaited: over a dead line the farewell never ends; the session lock is what waits for the old backend.
    old?.end().catch(() => undefined);
    const patience = performance.now() + this.answerTimeoutMs;
    for (let pause = FIRST_PAUSE_MS; !this.ended; pause = Math.min(pause * 2, LONGEST_PAUSE_MS)) {
      try {
        return await this.connect();
      } catch (error) {
        this.logger.warn({ err: error }, 'committer cannot connect, trying again');
        if (performance.now() > patience) onAway(error);
        await delay(pause);
      }
    }
    throw new Error('the committer is stopped');
  }
}
