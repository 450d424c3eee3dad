import { randomUUID } from 'node:crypto';
import pg from 'pg';
import { watchLine } from './line-watch.js';
import { type Logger } from './logger.js';
import { connectionOptions } from './postgres.js';
import { type ChangedKeys, decodeSignals, encodeSignals, isFrom, SignalBatch } from './signal-batch.js';

/** Called with the keys that changed since the last call, or `'all'` when any may have. */
export type SignalListener = (keys: ChangedKeys) => void;

const CHANNEL = 'perdure_signals';
const NOTIFY = { name: 'notify', text: 'select pg_notify($1, $2)' };
const COALESCE_MS = 5;
const RECONNECT_FIRST_MS = 100;
const RECONNECT_MAX_MS = 5_000;
const ANSWER_TIMEOUT_MS = 10_000;

/**
 * "Look now", told to every process on the same database over LISTEN/NOTIFY on one connection of its own. A signal may
 * come twice or late, or be lost with its process: whoever waits for one also polls. What is published within 5 ms goes
 * out as one NOTIFY, because each NOTIFY takes a lock that all commits share. Subscribers of the publishing process
 * are called at once, without the way over Postgres; after a reconnect every subscriber is called with `'all'`.
 */
export class Signals {
  private readonly origin = randomUUID();
  private readonly listeners = new Map<string, Set<SignalListener>>();
  private readonly local = new SignalBatch();
  private readonly remote = new SignalBatch();
  private client?: pg.Client;
  private flushTimer?: NodeJS.Timeout;
  private reconnectTimer?: NodeJS.Timeout;
  private heartbeat?: NodeJS.Timeout;
  /** The connection that has been asked whether it lives, until it answers. */
  private asked?: pg.Client;
  private sending?: Promise<void>;
  private stopped = false;

  constructor(
    private readonly url: string,
    private readonly logger: Logger,
    /** Without an answer for so many milliseconds the connection is taken for dead. */
    private readonly answerTimeoutMs = ANSWER_TIMEOUT_MS,
  ) {}

  /** Connects and listens. Rejects if that fails now; a connection that is lost later comes back by itself. */
  async start(): Promise<void> {
    await this.connect();
    // A listening connection sends nothing by itself; without this a cut cable would go unnoticed for ever.
    this.heartbeat = setInterval(() => void this.beat(), this.answerTimeoutMs / 2).unref();
  }

  /** Sends what waits, then closes the connection. Nothing is delivered afterwards. */
  async stop(): Promise<void> {
    clearInterval(this.heartbeat);
    clearTimeout(this.flushTimer);
    await this.sending;
    await this.send();
    this.stopped = true;
    clearTimeout(this.reconnectTimer);
    this.listeners.clear();
    const client = this.client;
    this.client = undefined;
    await client?.end().catch(() => undefined);
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

  private scheduleFlush(): void {
    this.flushTimer ??= setTimeout(() => {
      this.sending = this.send().finally(() => {
        this.sending = undefined;
        this.flushTimer = undefined;
        if (!this.remote.isEmpty && this.client) this.scheduleFlush();
      });
    }, COALESCE_MS);
  }

  /** One NOTIFY for all that waits. Without a connection it goes on waiting for the next one. */
  private async send(): Promise<void> {
    const client = this.client;
    if (!client || this.remote.isEmpty) return;
    const topics = this.remote.take();
    try {
      await client.query({ ...NOTIFY, values: [CHANNEL, encodeSignals(this.origin, topics)] });
    } catch (error) {
      this.remote.merge(topics);
      this.lose(client, error);
    }
  }

  private async connect(): Promise<void> {
    const client = new pg.Client(connectionOptions(this.url, 'perdure-signals', this.answerTimeoutMs));
    client.on('error', (error) => this.lose(client, error));
    client.on('end', () => this.lose(client, new Error('connection closed')));
    client.on('notification', ({ payload }) => this.receive(payload ?? ''));
    try {
      await client.connect();
      watchLine(client, this.answerTimeoutMs);
      await client.query(`listen ${CHANNEL}`);
    } catch (error) {
      void client.end().catch(() => undefined);
      throw error;
    }
    this.client = client;
    if (!this.remote.isEmpty) this.scheduleFlush();
  }

  /** Gives a broken connection up, once, and starts to look for a new one. */
  private lose(client: pg.Client, error: unknown): void {
    if (this.stopped || this.client !== client) return;
    this.client = undefined;
    this.logger.warn({ err: error }, 'signals.connection_lost');
    void client.end().catch(() => undefined);
    this.reconnectAfter(RECONNECT_FIRST_MS);
  }

  private reconnectAfter(delayMs: number): void {
    this.reconnectTimer = setTimeout(() => {
      this.connect().then(
        () => this.reconnected(),
        () => this.reconnectAfter(Math.min(delayMs * 2, RECONNECT_MAX_MS)),
      );
    }, delayMs);
  }

  private reconnected(): void {
    if (this.stopped) return void this.client?.end().catch(() => undefined);
    this.logger.info('signals.reconnected');
    this.deliver('all');
  }

  private async beat(): Promise<void> {
    const { client } = this;
    if (!client || this.asked === client) return;
    this.asked = client;
    await client.query('select 1').catch((error: unknown) => this.lose(client, error));
    this.asked = undefined;
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
