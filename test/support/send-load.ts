import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { randomUUID } from 'node:crypto';
import { expect } from 'vitest';
import { type TaskJson } from '#protocol';
import { JsonRpcClient, messageOf, RpcError } from './json-rpc.js';
import { type EventStream, stateOf, type StreamEvent, upTo } from './sse-client.js';
import { type TaskTables } from './task-tables.js';

const STEPS = 2;
/** Pause of a client that was told to try again. */
const RETRY_MS = 50;
const ENDED = new Set(['TASK_STATE_COMPLETED', 'TASK_STATE_FAILED']);

/**
 * Clients that send messages to the `tally` agent, one after the other: blocking, answered at once, or streamed. They do what
 * clients should: repeat a call that was refused for now under its idempotency key, and resume a stream that broke.
 */
export class SendLoad {
  /** By idempotency key: the ids of the tasks that the key was answered with. */
  private readonly accepted = new Map<string, Set<string>>();
  private readonly streams: StreamEvent[][] = [];
  /** How many calls were refused for now. */
  refused = 0;
  /** How many streams ended before their task did. */
  broken = 0;
  private readonly client: JsonRpcClient;

  constructor(
    url: string,
    private readonly folder: string,
  ) {
    this.client = new JsonRpcClient(`${url}/agents/tally`);
  }

  /** How many tasks have been accepted. */
  get count(): number {
    return this.accepted.size;
  }

  /** Lets `clients` clients send as long as `goesOn` says so. Rejects when one is told anything but a task or to try again. */
  async run(clients: number, goesOn: () => boolean): Promise<void> {
    const ways = [
      (sleeps: boolean) => this.block(randomUUID(), sleeps),
      (sleeps: boolean) => this.submit(randomUUID(), sleeps),
      (sleeps: boolean) => this.follow(randomUUID(), sleeps),
    ];
    await Promise.all(
      Array.from({ length: clients }, async (_, i) => {
        for (let n = i; goesOn(); n++) await ways[n % ways.length]!(n % 5 === 0);
      }),
    );
  }

  /** Every accepted task has completed, once, with a gapless log; each key has one task, and each step had its effect once. */
  async expectKept(tables: TaskTables): Promise<void> {
    await tables.waitFor(async () => {
      const open = await tables.rows('select id, state, attempt, lost, run_at from perdure.tasks where state <> 3');
      expect(open).toEqual([]);
    });
    const ids = [...this.accepted.values()].flatMap((of) => [...of]);
    expect(ids).toHaveLength(this.accepted.size);
    expect(this.broken).toBe(0);
    const stored = await tables.rows<{ id: string; lost: number; last_sequence: number }>(
      'select * from perdure.tasks',
    );
    expect(stored.map(({ id }) => id).toSorted()).toEqual(ids.toSorted());
    await tables.expectSound();
    this.expectEffects(stored);
    for (const events of this.streams) {
      expect(events.map(({ id }) => id)).toEqual(upTo(events.length));
      expect(stateOf(events.at(-1)!)).toBe('TASK_STATE_COMPLETED');
    }
  }

  /** A step is repeated where the lease of its run was lost, and nowhere else. */
  private expectEffects(tasks: readonly { id: string; lost: number }[]): void {
    const times = new Map<string, number>();
    for (const line of readFileSync(join(this.folder, 'ledger'), 'utf8').trim().split('\n'))
      times.set(line, (times.get(line) ?? 0) + 1);
    for (const { id, lost } of tasks) {
      for (const step of upTo(STEPS)) {
        const count = times.get(`${id} step ${step}`);
        expect(count).toBeGreaterThanOrEqual(1);
        expect(count).toBeLessThanOrEqual(1 + lost);
      }
    }
  }

  private async block(key: string, sleeps: boolean): Promise<void> {
    const message = messageOf(this.message(sleeps));
    const task = await this.untilTaken(() => this.client.send(message, {}, keyed(key)));
    this.accept(key, task);
    // A server that is asked again under the key may answer with the task as it stands.
    expect(ENDED.has(task.status!.state!) || this.refused > 0).toBe(true);
  }

  private async submit(key: string, sleeps: boolean): Promise<void> {
    const message = messageOf(this.message(sleeps));
    this.accept(key, await this.untilTaken(() => this.client.start(message, {}, keyed(key))));
  }

  private async follow(key: string, sleeps: boolean): Promise<void> {
    const message = messageOf(this.message(sleeps));
    const stream = await this.untilTaken(async () => {
      const opened = await this.client.stream(message, {}, keyed(key));
      await opened.next();
      return opened;
    });
    const [first] = stream.events;
    const { id } = first!.response.task!;
    this.accept(key, { id });
    this.streams.push(await this.readOn(id!, stream));
  }

  /** All events of the task, over as many streams as it takes. */
  private async readOn(id: string, stream: EventStream): Promise<StreamEvent[]> {
    // Asked again under its key, the call begins with the task as it stands then.
    let source = stream.events[0]!.id === 1 ? stream : await this.resumed(id, 0);
    const events: StreamEvent[] = [];
    for (;;) {
      await source.all().catch((error: unknown) => this.assertForNow(error));
      events.push(...source.events);
      if (ENDED.has(stateOf(events.at(-1)!) ?? '')) return events;
      this.broken++;
      source = await this.resumed(id, events.at(-1)?.id ?? 0);
    }
  }

  private resumed(id: string, after: number): Promise<EventStream> {
    return this.untilTaken(() => this.client.subscribe(id, after));
  }

  private async untilTaken<T>(call: () => Promise<T>): Promise<T> {
    for (;;) {
      try {
        return await call();
      } catch (error) {
        this.assertForNow(error);
        await pause(RETRY_MS);
      }
    }
  }

  /** The only error that there may be is one that says when to try again. */
  private assertForNow(error: unknown): void {
    if (!(error instanceof RpcError)) throw error;
    expect({
      code: error.code,
      message: error.message,
      retry: error.data.some((detail) => 'retryDelay' in detail),
    }).toEqual({
      code: -32_000,
      message: expect.stringContaining('try again later'),
      retry: true,
    });
    this.refused++;
  }

  private accept(key: string, { id }: TaskJson): void {
    this.accepted.set(key, (this.accepted.get(key) ?? new Set()).add(id!));
  }

  private message(sleeps: boolean): { data: object } {
    return { data: { folder: this.folder, steps: STEPS, sleeps } };
  }
}

function keyed(key: string) {
  return { headers: { 'idempotency-key': key } };
}
