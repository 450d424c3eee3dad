import { setTimeout as delay } from 'node:timers/promises';
import { type Redis } from 'ioredis';
import { type Logger } from './logger.js';
import { openRedis } from './redis.js';
import { type SignalLine, type SignalLineEvents } from './signal-line.js';

const HEARTBEAT_MS = 2_000;
/** A start waits so long for Redis, and goes on without it. */
const START_PATIENCE_MS = 1_000;
const SUBSCRIBE_AGAIN_MS = 1_000;

/** Signals over publish and subscribe of Redis, on one connection of their own. */
export class RedisSignalLine implements SignalLine {
  private readonly channel: string;
  private readonly stopping = new AbortController();
  private redis: Redis | undefined;
  private heartbeat: NodeJS.Timeout | undefined;
  private isSubscribed = false;

  constructor(
    private readonly url: string,
    prefix: string,
    private readonly logger: Logger,
  ) {
    // Channels are common to all databases of a Redis.
    this.channel = `${prefix}:${new URL(url).pathname.slice(1) || '0'}:signals`;
  }

  get isUp(): boolean {
    return this.isSubscribed && this.redis?.status === 'ready';
  }

  /** Resolves when the line is up, or after a moment where Redis is away. */
  async start(events: SignalLineEvents): Promise<void> {
    const redis = openRedis(this.url, { name: 'perdure-signals', whileAway: 'refused', logger: this.logger });
    this.redis = redis;
    redis.on('message', (_channel, payload) => events.received(payload));
    redis.on('close', () => (this.isSubscribed = false));
    const isUp = new Promise<void>((resolve) => {
      redis.on('ready', () => void this.subscribe(redis, events).then(resolve));
    });
    // A subscription says nothing by itself: one that is asked has an answer to miss.
    this.heartbeat = setInterval(() => void redis.ping().catch(() => undefined), HEARTBEAT_MS).unref();
    await Promise.race([isUp, delay(START_PATIENCE_MS, undefined, { ref: false })]);
  }

  async send(payload: string): Promise<void> {
    if (!this.redis || !this.isUp) throw new Error('the line is down');
    await this.redis.publish(this.channel, payload);
  }

  async stop(): Promise<void> {
    this.stopping.abort();
    clearInterval(this.heartbeat);
    this.redis?.disconnect();
  }

  /** Where the connection is lost meanwhile, the next one begins anew. */
  private async subscribe(redis: Redis, events: SignalLineEvents): Promise<void> {
    const { signal } = this.stopping;
    while (redis.status === 'ready' && !this.isSubscribed && !signal.aborted) {
      try {
        await redis.subscribe(this.channel);
        this.isSubscribed = true;
      } catch (error) {
        this.logger.warn({ err: error }, 'signals.not_subscribed');
        await delay(SUBSCRIBE_AGAIN_MS, undefined, { signal }).catch(() => undefined);
      }
    }
    // The first time too: others may have published before this process could listen.
    if (this.isUp) events.restored();
  }
}
