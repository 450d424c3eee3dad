import { setTimeout as delay } from 'node:timers/promises';
import { DatabaseUnavailableError, type Store, type TaskKey } from '#store';
import { type TaskUpdate, updateOf } from './task-update.js';

/** Characters of events that wait for one reader, or are read from the log for it at once; one event may be larger. */
const HELD = 256 * 1024;
const FIRST_PAGE = 8;
const LARGEST_PAGE = 256;
/** Between two attempts to read from a database that is away. */
const OUTAGE_PAUSE_MS = 500;

/**
 * One reader of a task's events: every one, in order, from the one after `sequence`. What it holds is bounded in number
 * and in size; a reader that falls behind that is served from the log until it has caught up.
 */
export class TaskSubscription {
  private buffer: TaskUpdate[] = [];
  /** Size of the events in the buffer. */
  private held = 0;
  /** How many events of this task's size a page from the log may have. */
  private pageSize = FIRST_PAGE;
  /** Whether the log may hold events that are not in the buffer. */
  private behind = false;
  private wake: (() => void) | undefined;
  private onIdle: (() => void)[] = [];

  constructor(
    private readonly store: Store,
    private readonly key: TaskKey,
    private sequence: number,
    private readonly limit: number,
    private readonly onClose: () => void,
  ) {}

  /** Called by TaskStreams with each event, each at least once and perhaps out of order. */
  offer(update: TaskUpdate): void {
    const newest = this.buffer.at(-1)?.sequence ?? this.sequence;
    if (update.sequence === newest + 1 && this.buffer.length < this.limit && this.held < HELD) this.put(update);
    else if (update.sequence > newest) this.behind = true;
    this.wake?.();
  }

  /** Moves the start: the reader has learnt the task's state as of `sequence` elsewhere. Before the first `next()`. */
  skipTo(sequence: number): void {
    this.sequence = Math.max(this.sequence, sequence);
    // An event offered before the start moved may be missing from the buffer.
    this.behind = true;
  }

  /** The next event; undefined once `signal` has aborted. */
  async next(signal: AbortSignal): Promise<TaskUpdate | undefined> {
    while (!signal.aborted) {
      while (this.buffer[0] && this.buffer[0].sequence <= this.sequence) this.take();
      const [first] = this.buffer;
      if (first?.sequence === this.sequence + 1) {
        this.take();
        this.sequence = first.sequence;
        return first;
      }
      if (this.behind || first) await this.catchUp(signal);
      else await this.somethingNew(signal);
    }
    return undefined;
  }

  /** Resolves when the reader has taken every event so far and asks for the next, or reads no more. */
  async idle(): Promise<void> {
    if (!this.wake) await new Promise<void>((resolve) => this.onIdle.push(resolve));
  }

  close(): void {
    this.fill([]);
    this.onClose();
    this.tellIdle();
  }

  private tellIdle(): void {
    for (const resolve of this.onIdle.splice(0)) resolve();
  }

  /** While the database is away the reader waits for it: what it has seen so far stays true. */
  private async catchUp(signal: AbortSignal): Promise<void> {
    this.behind = false;
    this.fill([]);
    try {
      await this.readLog();
    } catch (error) {
      if (!(error instanceof DatabaseUnavailableError)) throw error;
      this.behind = true;
      await delay(OUTAGE_PAUSE_MS, undefined, { signal }).catch(() => undefined);
    }
  }

  private async readLog(): Promise<void> {
    const limit = this.pageSize;
    const page = await this.store.log.eventsAfter(this.store.db, this.key, this.sequence, limit);
    const read = page.map(updateOf);
    const newest = read.at(-1)?.sequence ?? this.sequence;
    // What was offered while the log was read stands behind the page, or is in it.
    this.fill([...read, ...this.buffer.filter((update) => update.sequence > newest)]);
    if (page.length === limit) this.behind = true;
    const size = page.reduce((sum, { event }) => sum + event.length, 0);
    if (size > 0) this.pageSize = Math.min(Math.ceil((HELD * page.length) / size), LARGEST_PAGE);
  }

  private fill(updates: readonly TaskUpdate[]): void {
    this.buffer = [];
    this.held = 0;
    for (const update of updates) this.put(update);
  }

  private put(update: TaskUpdate): void {
    this.held += update.text.length;
    this.buffer.push(update);
  }

  private take(): void {
    const update = this.buffer.shift();
    if (update) this.held -= update.text.length;
  }

  private async somethingNew(signal: AbortSignal): Promise<void> {
    await new Promise<void>((resolve) => {
      const wake = () => {
        signal.removeEventListener('abort', wake);
        this.wake = undefined;
        resolve();
      };
      this.wake = wake;
      signal.addEventListener('abort', wake, { once: true });
      this.tellIdle();
    });
  }
}
