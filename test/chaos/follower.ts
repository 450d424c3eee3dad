import { type TaskJson } from '#protocol';
import { type ProtocolStream, stateOf } from '../support/protocol-client.js';
import { type Random } from '../support/random.js';
import { type Caller, OverError, type Way } from './caller.js';
import { type ChaosWire } from './chaos-wire.js';
import { type ClientRecorder, type OpenStream, type OpenSubscription } from './client-recorder.js';
import { eventText } from './event-text.js';
import { isEnd } from './task-end.js';

/** A stream that says nothing for so long is given up for another one. */
const SILENCE_MS = 6_000;

/** Reads all events of one task, over one stream after the other, through whichever server answers. */
export class Follower {
  private state: string | undefined;
  private readonly waiting = new Set<() => void>();
  private failure: unknown;
  private last: number | undefined;

  private constructor(
    private readonly caller: Caller,
    private readonly recorder: ClientRecorder,
    private readonly random: Random,
    private readonly way: Way,
  ) {}

  /** Follows a task from its first event on. */
  static of(id: string, parts: { caller: Caller; recorder: ClientRecorder; random: Random; way: Way }): Follower {
    const follower = new Follower(parts.caller, parts.recorder, parts.random, parts.way);
    follower.last = 0;
    void follower.read(id, parts.recorder.subscription(id, parts.way.wire));
    return follower;
  }

  /** Sends a message over a stream, again and again until one begins; gives the task that it begins with. */
  static async sending(
    open: (wire: ChaosWire) => Promise<ProtocolStream>,
    parts: { caller: Caller; recorder: ClientRecorder; random: Random; way: Way },
  ): Promise<{ follower: Follower; task: TaskJson }> {
    const { caller, recorder, random, way } = parts;
    const follower = new Follower(caller, recorder, random, way);
    const stream = await caller.untilAnswered(random, way, async (on) => {
      const opened = await open(on);
      await opened.next();
      return opened;
    });
    const { task } = stream.events[0]!.response;
    const subscription = recorder.subscription(task!.id!, way.wire);
    const record = recorder.stream(subscription);
    follower.take(stream.events[0]!, record);
    void follower.read(task!.id!, subscription, { stream, record });
    return { follower, task: task! };
  }

  /** Resolves with the state as soon as the task has such a one. Rejects when the suite is over. */
  async until(matches: (state: string) => boolean): Promise<string> {
    for (;;) {
      if (this.state !== undefined && matches(this.state)) return this.state;
      if (this.failure) throw this.failure as Error;
      await new Promise<void>((resolve) => this.waiting.add(resolve));
    }
  }

  private async read(
    id: string,
    subscription: OpenSubscription,
    begun?: { stream: ProtocolStream; record: OpenStream },
  ): Promise<void> {
    let open = begun;
    try {
      while (this.state === undefined || !isEnd(this.state)) {
        open ??= await this.resumed(id, subscription);
        await this.readOn(open.stream, open.record);
        open = undefined;
      }
    } catch (error) {
      if (!(error instanceof OverError)) this.recorder.refused('SubscribeToTask', error, id);
      this.failure = error;
    }
    this.wake();
  }

  /** Reads a stream to its end, or to where it breaks. */
  private async readOn(stream: ProtocolStream, record: OpenStream): Promise<void> {
    try {
      for (;;) {
        const event = await this.caller.inTime(stream.next(), SILENCE_MS);
        if (!event) return;
        this.take(event, record);
      }
    } catch (error) {
      if (!this.caller.isForNow(error)) throw error;
    } finally {
      stream.close();
    }
  }

  private take(event: ProtocolStream['events'][number], record: OpenStream): void {
    this.last = event.sequence ?? (this.last ?? 0) + 1;
    record.events.push({ sequence: this.last, says: eventText(event.response) });
    this.state = stateOf(event) ?? this.state;
    this.wake();
  }

  private async resumed(id: string, subscription: OpenSubscription) {
    const parameters = { 'last-event-id': String(this.last) };
    const stream = await this.caller.untilAnswered(this.random, this.way, (wire) =>
      wire.open('SubscribeToTask', { id }, { parameters }),
    );
    return { stream, record: this.recorder.stream(subscription, this.last) };
  }

  private wake(): void {
    for (const resolve of this.waiting) resolve();
    this.waiting.clear();
  }
}
