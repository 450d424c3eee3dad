import { join } from 'node:path';
import { beforeAll, describe, expect, it, vi } from 'vitest';
import { TEST_AGENTS } from '../support/agent-folders.js';
import { envelope, sendParams } from '../support/json-rpc.js';
import { Ledger } from '../support/ledger.js';
import { useDatabase } from '../support/postgres.js';
import { RawConnection } from '../support/raw-connection.js';
import { type ServerProcess, useServerProcesses } from '../support/server-process.js';
import { type EventStream, stateOf, upTo } from '../support/sse-client.js';
import { temporaryFolder } from '../support/temporary-folder.js';

const PATIENCE = { timeout: 20_000, interval: 50 };
const MAX_STREAMS = 24;
/** More than a connection holds: 12 MB. */
const STORY = { chunks: 240, size: 50_000 };
const STORY_EVENTS = STORY.chunks + 4;

const folder = temporaryFolder();
const database = useDatabase();
const startServer = useServerProcesses();
let server: ServerProcess;
let storyId: string;

beforeAll(async () => {
  server = await startServer({
    agents: [TEST_AGENTS],
    databaseUrl: database.url,
    env: {
      // More than a busy reader needs to take the largest event there is here.
      PERDURE_STREAM_STALL: '2s',
      PERDURE_MAX_LOOP_DELAY: '10s',
      PERDURE_MAX_STREAMS: String(MAX_STREAMS),
      // All of them are of one tenant here.
      PERDURE_MAX_TENANT_STREAMS: String(MAX_STREAMS),
      // Whoever keeps what nobody reads dies of it.
      NODE_OPTIONS: '--max-old-space-size=200',
    },
  });
  storyId = (await server.rpc('burst').send({ data: STORY })).id!;
});

/** Asks for the story from its beginning, and reads nothing of it. */
function stalledReader(): Promise<RawConnection> {
  const request = envelope('SubscribeToTask', { id: storyId });
  return RawConnection.post(`${server.url}/agents/burst`, request, { 'last-event-id': '0' });
}

async function dropped(readers: readonly RawConnection[]): Promise<void> {
  await vi.waitFor(() => expect(readers.filter((reader) => reader.isHeldByServer)).toEqual([]), PATIENCE);
}

describe('clients that take nothing of their streams', () => {
  it('are dropped after a while, and find what they have missed when they come back', async () => {
    const reader = await RawConnection.post(
      `${server.url}/agents/burst`,
      envelope('SendStreamingMessage', sendParams({ data: STORY })),
    );
    await dropped([reader]);
    const frames = (await reader.read()).split('\n\n').slice(0, -1);
    const seen = frames.map((frame) => Number(/^id: (\d+)$/m.exec(frame)![1]));
    expect(seen).toEqual(upTo(seen.length));
    expect(seen.length).toBeLessThan(STORY_EVENTS);

    const id = /"task":\{"id":"([^"]+)"/.exec(frames[0]!)![1]!;
    const rest = await (await server.rpc('burst').subscribe(id, seen.length)).all();
    expect([...seen, ...rest.map((event) => event.id)]).toEqual(upTo(STORY_EVENTS));
    expect(stateOf(rest.at(-1)!)).toBe('TASK_STATE_COMPLETED');
  });

  it('cost the server next to nothing, however many they are', async () => {
    await dropped(await Promise.all(upTo(MAX_STREAMS - 1).map(stalledReader)));
    const stream = await server.rpc('burst').stream({ data: { chunks: 2 } });
    expect(stateOf((await stream.all()).at(-1)!)).toBe('TASK_STATE_COMPLETED');
  });
});

describe('more clients than there are streams', () => {
  it('are told to come back later, and can as soon as somebody leaves', async () => {
    const ledger = new Ledger(join(folder, 'streams'));
    const client = server.rpc('ledger');
    const { id } = await client.start(ledger.message(1));
    const streams = await Promise.all(upTo(MAX_STREAMS).map(() => client.subscribe(id!)));
    const refused = await client.post(envelope('SubscribeToTask', { id }));
    expect(refused).toMatchObject({ status: 429, headers: { 'retry-after': '1' }, json: { error: { code: -32000 } } });
    streams.pop()!.close();
    streams.push(await vi.waitFor(() => client.subscribe(id!), PATIENCE));
    ledger.open(1);
    for (const stream of streams) expect(stateOf((await stream.all()).at(-1)!)).toBe('TASK_STATE_COMPLETED');
  });
});

describe('clients that wait for a large task', () => {
  it('cost the server nothing while there is nothing to tell', async () => {
    const client = server.rpc('burst');
    const task = await client.send({ data: { ...STORY, ask: true } }, { configuration: { historyLength: 0 } });
    const streams: EventStream[] = [];
    for (let i = 0; i < 10; i++) {
      const stream = await client.subscribe(task.id!);
      expect((await stream.next())?.response.task?.artifacts).toEqual(task.artifacts);
      streams.push(stream);
    }
    // All of them at once would be more than the server has room for, if it kept what it has shown them.
    await client.send('Yes', { taskId: task.id });
    for (const stream of streams) expect(stateOf((await stream.all()).at(-1)!)).toBe('TASK_STATE_COMPLETED');
  });
});

describe('clients that hang up', () => {
  it('in the middle of a stream or of a blocking call leave a task that goes on', async () => {
    const { totalSize: before = 0 } = await server.rpc('ledger').call('ListTasks');
    const [streamed, called] = [new Ledger(join(folder, 'streamed')), new Ledger(join(folder, 'called'))];
    const stream = await server.rpc('ledger').stream(streamed.message(2));
    await stream.next();
    const abort = new AbortController();
    const call = server.rpc('ledger').send(called.message(2), {}, { signal: abort.signal });
    await Promise.all([streamed.reached(1), called.reached(1)]);

    stream.close();
    abort.abort();
    await expect(call).rejects.toThrow('aborted');
    streamed.open(2);
    called.open(2);
    await vi.waitFor(async () => {
      const { totalSize } = await server.rpc('ledger').call('ListTasks', { status: 'TASK_STATE_COMPLETED' });
      expect(totalSize).toBe(before + 2);
    }, PATIENCE);
    for (const { lines } of [streamed, called]) expect(lines).toEqual(upTo(2).map((n) => `step ${n} in attempt 1`));
  });
});

describe('abuse that goes on and on', () => {
  const LARGE = { ...envelope('ListTasks'), padding: 'x'.repeat(11 * 1024 * 1024) };
  const DEEP = JSON.stringify(envelope('ListTasks', 'DEEP')).replace('"DEEP"', '['.repeat(1e6) + ']'.repeat(1e6));

  /** More than 60 MB each that the server must not keep. Resolves when it has dropped all who took nothing. */
  async function rounds(count: number): Promise<void> {
    const readers: RawConnection[] = [];
    for (let i = 0; i < count; i++) readers.push(...(await round()));
    await dropped(readers);
  }

  async function round(): Promise<RawConnection[]> {
    const client = server.rpc('burst');
    const readers = await Promise.all(upTo(4).map(stalledReader));
    const bodies = await Promise.all([client.post(LARGE), client.post(DEEP), client.post('{"'), client.post([])]);
    expect(bodies.map(({ status, json }) => [status, json.error.code])).toEqual([
      [413, -32600],
      [200, -32602],
      [200, -32700],
      [200, -32600],
    ]);
    for (const reader of await Promise.all([stalledReader(), stalledReader()])) await reader.hangUp();
    return readers;
  }

  it('leaves the memory of the server as it was', async () => {
    await rounds(2);
    const before = server.residentMb;
    await rounds(4);
    // What is let go comes back a little later; a leak of what came in would be more than 200 MB.
    await vi.waitFor(() => expect(server.residentMb).toBeLessThan(before + 80), PATIENCE);
    expect(server.log.filter(({ level }) => level === 'error')).toEqual([]);
  });
});
