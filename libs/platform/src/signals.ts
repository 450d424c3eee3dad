import { randomUUID } from 'node:crypto';
import { type Config } from './config.js';
import { type Logger } from './logger.js';
import { PostgresSignalLine } from './postgres-signal-line.js';
import { RedisSignalLine } from './redis-signal-line.js';
import { type ChangedKeys, decodeSignals, encodeSignals, isFrom, SignalBatch } from './signal-batch.js';
import { type SignalLine } from './signal-line.js';

/** Called with the keys that changed since the last call, or `'all'` when any may have. */
export type SignalListener = (keys: ChangedKeys) => void;

const COALESCE_MS = 5;
/** What the line has refused. */
const SEND_AGAIN_MS = 1_000;

/**
 * "Look now", told to every process on the same line: LISTEN/NOTIFY of the database, or publish/subscribe of Redis. A signal may
 * come twice or late, or be lost with its process: whoever waits for one also polls. What is published within 5 ms goes
 * out as one message, because each NOTIFY takes a lock that all commits share. Subscribers of the publishing process
 * are called at once, without the way over the line; when a line is restored every subscriber is called with `'all'`.
 */
export class Signals {
  private readonly origin = randomUUID();
  private readonly listeners = new Map<string, Set<SignalListener>>();
  private readonly local = new SignalBatch();
  private readonly remote = new SignalBatch();
  private flushTimer?: NodeJS.Timeout;
  private sending?: Promise<void>;
  private stopped = false;

  constructor(
    private readonly line: SignalLine,
    private readonly logger: Logger,
  ) {}

  /** Signals over the line that the settings name. */
  static over(
    databaseUrl: string,
    config: Pick<Config, 'directDatabaseUrl' | 'databaseTimeoutMs' | 'redisUrl' | 'redisPrefix'>,
    logger: Logger,
  ): Signals {
    const { redisUrl, redisPrefix, directDatabaseUrl, databaseTimeoutMs } = config;
    const line =
      redisUrl === undefined
        ? new PostgresSignalLine(directDatabaseUrl ?? databaseUrl, logger, databaseTimeoutMs)
        : new RedisSignalLine(redisUrl, redisPrefix, logger);
    return new Signals(line, logger);
  }

  /** Listens. Rejects if the database cannot be reached now; a line that is lost later comes back by itself. */
  async start(): Promise<void> {
    await this.line.start({ received: (payload) => this.receive(payload), restored: () => this.restored() });
  }

  /** Sends what waits, then closes the line. Nothing is delivered afterwards. */
  async stop(): Promise<void> {
    clearTimeout(this.flushTimer);
    await this.sending;
    await this.send();
    this.stopped = true;
    this.listeners.clear();
    await this.line.stop();
  }

  /** Says that something of the topic changed: one key of it, or without a key any. Returns at once, never throws. */
  publish(topic: string, key?: string): void {
    if (this.stopped) return;
    if (this.local.isEmpty) queueMicrotask(() => this.deliver(this.local.take()));
    this.local.add(topic, key);
    this.publishToOthers(topic, key);
  }

  /** The same for the other processes alone: this one has been told on a shorter way. */
  publishToOthers(topic: string, key?: string): void {
    if (this.stopped) return;
    this.remote.add(topic, key);
    this.scheduleFlush();
  }

  /** Calls the listener for every signal of the topic until the returned function is called. */
  subscribe(topic: string, listener: SignalListener): () => void {
    const listeners = this.listeners.get(topic) ?? new Set();
    this.listeners.set(topic, listeners.add(listener));
    return () => {
      listeners.delete(listener);
      if (listeners.size === 0 && this.listeners.get(topic) === listeners) this.listeners.delete(topic);
    };
  }

  private scheduleFlush(afterMs = COALESCE_MS): void {
    this.flushTimer ??= setTimeout(() => {
      this.sending = this.send().then((isSent) => {
        this.sending = undefined;
        this.flushTimer = undefined;
        if (!this.remote.isEmpty && this.line.isUp) this.scheduleFlush(isSent ? COALESCE_MS : SEND_AGAIN_MS);
      });
    }, afterMs);
  }

  /** One message for all that waits; while the line is down it goes on waiting. Answers whether it has gone out. */
  private async send(): Promise<boolean> {
    if (!this.line.isUp || this.remote.isEmpty) return false;
    const topics = this.remote.take();
    try {
      await this.line.send(encodeSignals(this.origin, topics));
      return true;
    } catch {
      this.remote.merge(topics);
      return false;
    }
  }

  private restored(): void {
    if (this.stopped) return;
    if (!this.remote.isEmpty) this.scheduleFlush();
    this.deliver('all');
  }

  private receive(payload: string): void {
    if (!isFrom(this.origin, payload)) this.deliver(decodeSignals(payload).topics);
  }

  private deliver(topics: ReadonlyMap<string, ChangedKeys> | 'all'): void {
    const changed = topics === 'all' ? new Map([...this.listeners.keys()].map((topic) => [topic, topics])) : topics;
    for (const [topic, keys] of changed) {
      for (const listener of [...(this.listeners.get(topic) ?? [])]) this.call(listener, keys);
    }
  }

  private call(listener: SignalListener, keys: ChangedKeys): void {
    try {
      listener(keys);
    } catch (error) {
      this.logger.error({ err: error }, 'signals.listener_failed');
    }
  }
}
