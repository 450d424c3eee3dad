import { create, fromJson } from '@bufbuild/protobuf';
import { beforeAll, describe, expect, it } from 'vitest';
import { applyEvent, StreamResponseSchema, type TaskJson, TaskSchema, toJsonObject } from '#protocol';
import { useServers } from '../support/in-process-server.js';
import { type RpcError, type JsonRpcClient } from '../support/json-rpc.js';
import { inEachMode } from '../support/modes.js';
import { Random } from '../support/random.js';
import { stateOf, type StreamEvent, upTo } from '../support/sse-client.js';

inEachMode((mode) => {
  const SUBSCRIBERS = 64;
  const CHUNKS = 300;
  const SEED = 20_260_501;

  // A small buffer, so that slow readers fall out of it and are served from the log.
  const servers = useServers(2, { streamBuffer: 16 }, mode);

  /** What a subscriber who joins without a number is shown first: the task as it stands, in place of the events so far. */
  interface Snapshot {
    readonly after: number;
    readonly task: TaskJson;
  }

  describe('64 subscribers of one task at two servers, who join and leave as they like', () => {
    const random = new Random(SEED);
    const snapshots: Snapshot[] = [];
    let log: StreamEvent[];
    let seen: StreamEvent[][];

    beforeAll(async () => {
      const author = await servers.rpc('burst').stream({ data: { chunks: CHUNKS, rest: 4 } });
      const { response } = (await author.next())!;
      const readers = upTo(SUBSCRIBERS).map(() => follow(response.task!.id!));
      log = await author.all();
      seen = await Promise.all(readers);
    });

    /** Reads the task to its end over many connections, each after a few events of the one before. */
    async function follow(id: string): Promise<StreamEvent[]> {
      const events: StreamEvent[] = [];
      let last = await firstPosition(id);
      for (;;) {
        const stream = await servers.rpc('burst', random.below(2)).subscribe(id, last);
        const stay = 1 + random.below(100);
        for (let i = 0; i < stay; i++) {
          const event = await stream.next();
          if (!event) return events;
          events.push(event);
          last = event.id;
        }
        stream.close();
        if (stateOf(events.at(-1)!) === 'TASK_STATE_COMPLETED') return events;
      }
    }

    /** Some begin with the first event, some with a snapshot; who comes when the task has ended, with the first event. */
    async function firstPosition(id: string): Promise<number> {
      if (random.below(2) === 0) return 0;
      const subscribed = servers.rpc('burst', random.below(2)).subscribe(id);
      const stream = await subscribed.catch((error: RpcError) => error);
      if ('code' in stream) {
        expect(stream.code).toBe(-32004);
        return 0;
      }
      const { id: after, response } = (await stream.next())!;
      stream.close();
      snapshots.push({ after, task: response.task! });
      return after;
    }

    it('all see the same events under the same numbers, each once, in order, to the end', () => {
      expect(log.map(({ id }) => id)).toEqual(upTo(CHUNKS + 4));
      const texts = log.map((event) => JSON.stringify(event));
      for (const events of seen) {
        const expected = texts.slice(events[0]!.id - 1);
        expect(events.map((event) => JSON.stringify(event))).toEqual(expected);
      }
    });

    it('those who began with a snapshot were shown what the events before it amount to', () => {
      expect(snapshots.length).toBeGreaterThan(10);
      for (const { after, task } of snapshots) expect(contentOf(task)).toEqual(contentOf(folded(log.slice(0, after))));
    });

    it('and it is what the task has in the end', async () => {
      const { id } = folded(log);
      expect(contentOf(await servers.rpc('burst', 1).get(id!))).toEqual(contentOf(folded(log)));
    });
  });

  describe('a task that has ended', () => {
    let client: JsonRpcClient;
    let id: string;
    let log: StreamEvent[];
    beforeAll(async () => {
      client = servers.rpc('burst', 1);
      log = await (await servers.rpc('burst').stream({ data: { chunks: 40 } })).all();
      id = log[0]!.response.task!.id!;
    });

    it('is read on after every event of it but the last, on any server', async () => {
      for (const after of [0, ...upTo(log.length - 1)]) {
        expect(await (await client.subscribe(id, after)).all()).toEqual(log.slice(after));
      }
    });

    it('has nothing after its last event, and no event beyond it', async () => {
      await expect(client.subscribe(id, log.length)).rejects.toMatchObject({ code: -32004 });
      await expect(client.subscribe(id, log.length + 1)).rejects.toMatchObject({ fields: ['Last-Event-ID'] });
      await expect(client.subscribe(id)).rejects.toMatchObject({ code: -32004 });
      const malformed = client.open('SubscribeToTask', { id }, { headers: { 'last-event-id': 'x' } });
      await expect(malformed).rejects.toSatisfy((error: RpcError) => error.fields[0] === 'Last-Event-ID');
    });
  });

  function folded(events: readonly StreamEvent[]): TaskJson {
    const task = create(TaskSchema);
    for (const { response } of events) applyEvent(task, fromJson(StreamResponseSchema, response));
    return toJsonObject(TaskSchema, task);
  }

  /** State and artifacts, the chunks of a text joined. */
  function contentOf({ id, status, artifacts = [] }: TaskJson): object {
    const texts = artifacts.map(({ artifactId, parts = [] }) => [artifactId, parts.map(({ text }) => text).join('')]);
    return { id, status, texts };
  }
});
