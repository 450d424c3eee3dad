import { setTimeout as delay } from 'node:timers/promises';
import { type Config, type Logger, type Signals } from '#platform';
import { A2AError, isSettled, type Task } from '#protocol';
import { type Store, type TaskKey } from '#store';
import { stateOf } from './task-events.js';
import { TaskSubscription } from './task-subscription.js';
import { type TaskUpdate, updateOf } from './task-update.js';
import { topicKey } from './topic-key.js';

/** Everything in this process that watches one task. */
interface Topic extends TaskKey {
  /** The newest event its watchers have been offered. */
  sequence: number;
  readonly watchers: Set<TaskSubscription | Waiter>;
}

/** Waits for the first event after `sequence` that ends or interrupts the task. */
class Waiter {
  constructor(
    private readonly sequence: number,
    readonly done: (task?: Task) => void,
  ) {}

  /** A subscriber makes the topic read the log from its start, so this may be a question that was answered long ago. */
  offer({ sequence, response }: TaskUpdate, settled?: Task): void {
    const state = stateOf(response);
    if (sequence > this.sequence && state !== undefined && isSettled(state)) this.done(settled);
  }
}

/** Where the signals for committed events are published, by `tenant/task`. */
export const TASK_SIGNALS = 'tasks';
/** A signal can be lost with the process that owed it, so watched tasks are also looked at this often. */
const POLL_MS = 2_000;
const READ_LIMIT = 256;

/**
 * Hands committed events to whoever watches a task in this process. Events that this process committed come at once; those
 * of other processes are read from the log in one statement for all watched tasks when a signal tells of them.
 */
export class TaskStreams {
  /**
   * By `tenant/task`. Not a Map: where keys come and go by the thousand, each of a Map's old tables that has outlived a
   * young collection keeps all later ones, and what they held, alive until the next full one.
   */
  private readonly topics: Record<string, Topic> = Object.create(null) as Record<string, Topic>;
  private readonly stopping = new AbortController();
  private unsubscribe: (() => void) | undefined;
  /** Open streams by tenant. */
  private readonly open = new Map<string, number>();
  private openInAll = 0;
  private waiting = 0;

  constructor(
    private readonly store: Store,
    private readonly signals: Signals,
    private readonly config: Pick<Config, 'maxStreams' | 'maxTenantStreams' | 'maxWaiting' | 'streamBuffer'>,
    private readonly logger: Logger,
  ) {}

  start(): void {
    this.unsubscribe = this.signals.subscribe(TASK_SIGNALS, (keys) => {
      const topics = keys === 'all' ? Object.values(this.topics) : [...keys].map((key) => this.topics[key]);
      void this.catchUp(topics.filter((topic) => topic !== undefined));
    });
    void this.poll();
  }

  stop(): void {
    this.unsubscribe?.();
    this.stopping.abort();
  }

  /** Resolves when every reader here has taken all events so far, after `ms` at the latest. */
  async delivered(ms: number): Promise<void> {
    const watchers = Object.values(this.topics).flatMap((topic) => [...topic.watchers]);
    const readers = watchers.filter((watcher) => watcher instanceof TaskSubscription);
    const enough = new AbortController();
    const late = delay(ms, undefined, { signal: enough.signal }).catch(() => undefined);
    await Promise.race([Promise.all(readers.map((reader) => reader.idle())), late]);
    enough.abort();
  }

  /** Offers committed events to the watchers here, and tells the other processes. `settled` is the task the events led to. */
  publish(key: TaskKey, updates: readonly TaskUpdate[], settled?: Task): void {
    const name = topicKey(key);
    const topic = this.topics[name];
    if (topic) this.offer(topic, updates, settled);
    this.signals.publishToOthers(TASK_SIGNALS, name);
  }

  /**
   * Takes room for one stream of the tenant, before anything is done for it; what this returns gives the room back.
   * @throws A2AError RESOURCE_EXHAUSTED when too many streams are open, of all or of the tenant.
   */
  takeRoom(tenantId: string): () => void {
    const { maxStreams, maxTenantStreams } = this.config;
    const own = this.open.get(tenantId) ?? 0;
    if (this.openInAll >= maxStreams) throw noRoom('Too many open streams');
    if (own >= maxTenantStreams) throw noRoom(`The tenant has ${maxTenantStreams} open streams, as many as it may`);
    this.openInAll++;
    this.open.set(tenantId, own + 1);
    return () => this.giveRoomBack(tenantId);
  }

  /** @throws A2AError RESOURCE_EXHAUSTED when too many callers wait for their tasks. */
  checkRoomToWait(): void {
    const { maxWaiting } = this.config;
    if (this.waiting < maxWaiting) return;
    throw noRoom(`${maxWaiting} calls wait for their tasks, as many as may; send with returnImmediately, or try again`);
  }

  /** Watches the events after `sequence`. Close what this returns. */
  subscribe(key: TaskKey, sequence: number): TaskSubscription {
    const topic = this.topic(key, sequence);
    const subscription = new TaskSubscription(this.store, key, sequence, this.config.streamBuffer, () => {
      this.leave(topic, subscription);
    });
    topic.watchers.add(subscription);
    return subscription;
  }

  /**
   * Waits for the first event after `sequence` that ends the task or interrupts it. Resolves with the task where this
   * process wrote it, with undefined where the caller has to read it or its signal has aborted.
   */
  settled(key: TaskKey, sequence: number, signal: AbortSignal): Promise<Task | undefined> {
    const topic = this.topic(key, sequence);
    this.waiting++;
    return new Promise((resolve) => {
      const done = (task?: Task) => {
        // Whoever watches a topic is told of what ends the wait at most once.
        if (topic.watchers.has(waiter)) this.waiting--;
        signal.removeEventListener('abort', aborted);
        this.leave(topic, waiter);
        resolve(task);
      };
      const aborted = () => done();
      const waiter = new Waiter(sequence, done);
      topic.watchers.add(waiter);
      if (signal.aborted) done();
      else signal.addEventListener('abort', aborted, { once: true });
    });
  }

  /** Lets go of those who wait for a task that was not accepted. */
  abandon(key: TaskKey): void {
    for (const watcher of this.topics[topicKey(key)]?.watchers ?? []) if (watcher instanceof Waiter) watcher.done();
  }

  private giveRoomBack(tenantId: string): void {
    this.openInAll--;
    const left = this.open.get(tenantId)! - 1;
    if (left === 0) this.open.delete(tenantId);
    else this.open.set(tenantId, left);
  }

  private topic(key: TaskKey, sequence: number): Topic {
    const name = topicKey(key);
    const { tenantId, taskId } = key;
    return (this.topics[name] ??= { tenantId, taskId, sequence, watchers: new Set() });
  }

  private leave(topic: Topic, watcher: TaskSubscription | Waiter): void {
    topic.watchers.delete(watcher);
    const name = topicKey(topic);
    if (topic.watchers.size === 0 && this.topics[name] === topic) delete this.topics[name];
  }

  private offer(topic: Topic, updates: readonly TaskUpdate[], settled?: Task): void {
    for (const update of updates) {
      for (const watcher of topic.watchers) watcher.offer(update, settled);
      topic.sequence = Math.max(topic.sequence, update.sequence);
    }
  }

  /** Reads what the log has beyond what the topics have seen, until there is nothing more. */
  private async catchUp(topics: readonly Topic[]): Promise<void> {
    if (topics.length === 0) return;
    try {
      const positions = topics.map(({ tenantId, taskId, sequence }) => ({ tenantId, taskId, after: sequence }));
      const rows = await this.store.log.eventsAfterEach(this.store.db, positions, READ_LIMIT);
      for (const row of rows) {
        const topic = this.topics[topicKey(row)];
        if (topic) this.offer(topic, [updateOf(row)]);
      }
      if (rows.length >= READ_LIMIT)
        await this.catchUp(topics.filter((topic) => this.topics[topicKey(topic)] === topic));
    } catch (error) {
      this.logger.warn({ err: error }, 'streams.catch_up_failed');
    }
  }

  private async poll(): Promise<void> {
    const { signal } = this.stopping;
    while (!signal.aborted) {
      await delay(POLL_MS, undefined, { signal, ref: false }).catch(() => undefined);
      if (!signal.aborted) await this.catchUp(Object.values(this.topics));
    }
  }
}

function noRoom(message: string): A2AError {
  return new A2AError('RESOURCE_EXHAUSTED', { message, retryAfterMs: 1_000 });
}
