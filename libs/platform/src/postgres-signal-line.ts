import pg from 'pg';
import { watchLine } from './line-watch.js';
import { type Logger } from './logger.js';
import { connectionOptions } from './postgres.js';
import { type SignalLine, type SignalLineEvents } from './signal-line.js';

const CHANNEL = 'perdure_signals';
const NOTIFY = { name: 'notify', text: 'select pg_notify($1, $2)' };
const RECONNECT_FIRST_MS = 100;
const RECONNECT_MAX_MS = 5_000;
const ANSWER_TIMEOUT_MS = 10_000;

/** Signals over LISTEN and NOTIFY, on one connection of their own. */
export class PostgresSignalLine implements SignalLine {
  private events: SignalLineEvents | undefined;
  private client: pg.Client | undefined;
  private reconnectTimer: NodeJS.Timeout | undefined;
  private heartbeat: NodeJS.Timeout | undefined;
  /** The connection that has been asked whether it lives, until it answers. */
  private asked: pg.Client | undefined;
  private stopped = false;

  constructor(
    /** A direct one: a pooler between may not pass notifications on. */
    private readonly url: string,
    private readonly logger: Logger,
    /** Without an answer for so many milliseconds the connection is taken for dead. */
    private readonly answerTimeoutMs = ANSWER_TIMEOUT_MS,
  ) {}

  get isUp(): boolean {
    return this.client !== undefined;
  }

  /** Rejects where the database cannot be reached now. */
  async start(events: SignalLineEvents): Promise<void> {
    this.events = events;
    await this.connect();
    // A listening connection sends nothing by itself; without this a cut cable would go unnoticed for ever.
    this.heartbeat = setInterval(() => void this.beat(), this.answerTimeoutMs / 2).unref();
  }

  async send(payload: string): Promise<void> {
    const { client } = this;
    if (!client) throw new Error('the line is down');
    try {
      await client.query({ ...NOTIFY, values: [CHANNEL, payload] });
    } catch (error) {
      this.lose(client, error);
      throw error;
    }
  }

  async stop(): Promise<void> {
    this.stopped = true;
    clearInterval(this.heartbeat);
    clearTimeout(this.reconnectTimer);
    const client = this.client;
    this.client = undefined;
    await client?.end().catch(() => undefined);
  }

  private async connect(): Promise<void> {
    const client = new pg.Client(connectionOptions(this.url, 'perdure-signals', this.answerTimeoutMs));
    client.on('error', (error) => this.lose(client, error));
    client.on('end', () => this.lose(client, new Error('connection closed')));
    client.on('notification', ({ payload }) => this.events?.received(payload ?? ''));
    try {
      await client.connect();
      watchLine(client, this.answerTimeoutMs);
      await client.query(`listen ${CHANNEL}`);
    } catch (error) {
      void client.end().catch(() => undefined);
      throw error;
    }
    this.client = client;
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
    this.events?.restored();
  }

  private async beat(): Promise<void> {
    const { client } = this;
    if (!client || this.asked === client) return;
    this.asked = client;
    await client.query('select 1').catch((error: unknown) => this.lose(client, error));
    this.asked = undefined;
  }
}
