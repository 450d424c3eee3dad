import { create } from '@bufbuild/protobuf';
import { expect, it } from 'vitest';
import { type Sequenced, type StreamResponse, type StreamResponseJson, SubscribeToTaskRequestSchema } from '#protocol';
import { COMMITTER } from '../support/committer.js';
import { all, call, type Engine, type SeenEvent, textOf, useEngines } from '../support/engine.js';
import { Gate } from '../support/gate.js';
import { inEachMode } from '../support/modes.js';
import { useDatabase } from '../support/postgres.js';
import { Random } from '../support/random.js';
import { useTables } from '../support/task-tables.js';

const EVENTS_AFTER = 'select event from perdure.task_events where task_id = $1 and sequence > $2 order by sequence';

inEachMode((mode) => {
  const database = useDatabase();
  const tables = useTables(database);
  const engines = useEngines(database, mode);

  /** What of the streams of an engine is in memory. */
  function watched({ tasks }: Engine) {
    type Watcher = { buffer: unknown[] };
    const { topics } = tasks.streams as unknown as {
      topics: Record<string, { watchers: Set<Watcher>; sequence: number }>;
    };
    return new Map(Object.entries(topics));
  }

  /** The stored events from a number on, as a subscriber sees them. */
  async function logAfter(id: string, after: number): Promise<[number, StreamResponseJson][]> {
    const events = await tables.events(id);
    return events.map((event, i): [number, StreamResponseJson] => [i + 1, event]).slice(after);
  }

  /** The rest of a stream, each event as it goes to the wire. */
  async function textsOf(stream: AsyncIterable<Sequenced<StreamResponse>>): Promise<string[]> {
    const texts: string[] = [];
    for await (const { json } of stream) texts.push(json!);
    return texts;
  }

  const numbered = ({ sequence, ...event }: SeenEvent): [number, StreamResponseJson] => [sequence, event];

  it('shows every subscriber the same events in the same order, whenever and wherever it joins, leaves and comes back', async () => {
    const [runner, front] = [await engines.start(), await engines.start({ runs: false, config: { streamBuffer: 8 } })];
    const random = new Random(20_261_121);
    const [joined, go] = [new Gate(), new Gate()];
    const agent = engines.agent({
      async run(task) {
        const artifact = task.artifact();
        await artifact.append('0');
        joined.open();
        await go.opened;
        for (let i = 1; i <= 120; i++) {
          if (i % 7 === 0) await task.status(String(i));
          else await artifact.append(String(i));
          // The handler is quicker than any reader; a step waits for its commits.
          if (i % 20 === 0) await task.step(`pause ${i}`, () => new Promise((resolve) => setImmediate(resolve)));
        }
        await artifact.close();
      },
    });
    const { id } = await runner.submit(agent, 'go');
    await joined.opened;

    const seen = new Map<number, Set<string>>();
    const watch = async (engine: Engine): Promise<number> => {
      let [last, visits] = [0, 0];
      for (let ended = false; !ended; visits++) {
        const patience = 1 + random.below(24);
        let taken = 0;
        const stream = engine.subscribe(agent, id!, last === 0 ? {} : { lastEventId: last });
        for await (const event of stream) {
          const { sequence, task } = event;
          if (task) expect(last, 'a snapshot comes first').toBe(0);
          else {
            if (last > 0) expect(sequence).toBe(last + 1);
            const text = JSON.stringify(numbered(event)[1]);
            seen.set(sequence, (seen.get(sequence) ?? new Set()).add(text));
          }
          last = sequence;
          ended = event.statusUpdate?.status?.state === 'TASK_STATE_COMPLETED';
          if (++taken > patience) break;
        }
      }
      return visits;
    };
    const visits = Promise.all(Array.from({ length: 64 }, (_, i) => watch(i % 2 === 0 ? runner : front)));
    await tables.waitFor(async () => {
      const watchers = [runner, front].map((engine) => watched(engine).get(`acme/${id}`)?.watchers.size ?? 0);
      expect(watchers).toEqual([32, 32]);
    });
    go.open();
    expect(Math.max(...(await visits))).toBeGreaterThan(5);
    for (const [sequence, event] of await logAfter(id!, 2)) {
      if (seen.has(sequence)) expect([...seen.get(sequence)!]).toEqual([JSON.stringify(event)]);
    }
    expect(seen.size).toBeGreaterThan(110);
    for (const engine of [runner, front]) expect(watched(engine).size).toBe(0);
  }, 120_000);

  it('holds a bounded number of events for a slow reader, and serves it the rest from the log', async () => {
    const engine = await engines.start({ config: { streamBuffer: 4 } });
    const agent = engines.agent({
      async run(task) {
        for (let i = 0; i < 700; i++) await task.status(String(i));
      },
    });
    const stream = engine.stream(agent, 'go');
    const { value: first } = await stream.next();
    const id = first!.task!.id!;
    await tables.until(id, 'COMPLETED');
    const [reader] = watched(engine).get(`acme/${id}`)!.watchers;
    expect(reader!.buffer.length).toBeLessThanOrEqual(4);
    const rest = await all(stream);
    expect(rest.map(numbered)).toEqual(await logAfter(id, 1));
    expect(watched(engine).size).toBe(0);
  });

  it('shows 1,000 subscribers on two processes the same 200 events, and holds few of them for one that stops reading', async () => {
    const config = { streamBuffer: 16 };
    const [runner, front] = [await engines.start({ config }), await engines.start({ runs: false, config })];
    const go = new Gate();
    const agent = engines.agent({
      async run(task) {
        await go.opened;
        for (let i = 1; i < 200; i++) await task.status(String(i));
      },
    });
    const { id } = await runner.submit(agent, 'go');
    await tables.until(id!, 'WORKING');
    const subscribe = ({ tasks }: Engine) =>
      tasks.service.subscribeToTask(create(SubscribeToTaskRequestSchema, { id }), call(agent));
    const readers = Array.from({ length: 1_000 }, (_, i) => subscribe(i % 2 === 0 ? runner : front));
    const idler = subscribe(front);
    await Promise.all([idler, ...readers].map((reader) => reader[Symbol.asyncIterator]().next()));
    go.open();

    const seen = await Promise.all(readers.map(textsOf));
    const log = (await tables.rows<{ event: string }>(EVENTS_AFTER, [id, 2])).map(({ event }) => event);
    expect(log).toHaveLength(200);
    for (const texts of seen) expect(texts).toEqual(log);
    const [left] = watched(front).get(`acme/${id}`)!.watchers;
    expect(left!.buffer.length).toBeLessThanOrEqual(16);
    expect(await textsOf(idler)).toEqual(log);
  }, 120_000);

  it('shows the events to another process also when its line for signals is cut again and again', async () => {
    const [runner, front] = [await engines.start(), await engines.start({ runs: false })];
    const go = Array.from({ length: 5 }, () => new Gate());
    const agent = engines.agent({
      async run(task) {
        for (const [i, gate] of go.entries()) {
          await gate.opened;
          await task.status(`part ${i}`);
        }
      },
    });
    const { id } = await runner.submit(agent, 'go');
    await tables.until(id!, 'WORKING');
    const events: SeenEvent[] = [];
    const watching = (async () => {
      for await (const event of front.subscribe(agent, id!)) events.push(event);
    })();
    await tables.waitFor(async () => expect(events).toHaveLength(1));
    for (const [i, gate] of go.entries()) {
      if (i % 2 === 1) {
        await tables.terminate('perdure-signals');
      }
      gate.open();
      const texts = () => events.map(({ statusUpdate }) => textOf(statusUpdate?.status?.message));
      await tables.waitFor(async () => expect(texts()).toContain(`part ${i}`));
    }
    await watching;
    expect(events.slice(1).map(numbered)).toEqual(await logAfter(id!, 2));
  });

  it('finds events out of which no signal came', async () => {
    const [runner, front] = [await engines.start(), await engines.start({ runs: false })];
    runner.tasks.signals.publishToOthers = () => undefined;
    const go = new Gate();
    const agent = engines.agent({ run: () => go.opened });
    const { id } = await runner.submit(agent, 'go');
    await tables.until(id!, 'WORKING');
    const stream = front.subscribe(agent, id!);
    expect((await stream.next()).value).toMatchObject({ sequence: 2 });
    const blocked = front.subscribe(agent, id!);
    await blocked.next();
    go.open();
    expect((await all(stream)).map(numbered)).toEqual(await logAfter(id!, 2));
    await blocked.return(undefined);
  });

  it('answers a blocking caller on another process than the one that runs the task', async () => {
    const front = await engines.start({ runs: false });
    await engines.start();
    const agent = engines.agent({
      async run(task) {
        const artifact = task.artifact();
        for (let i = 0; i < 600; i++) await artifact.append('x');
        await artifact.close();
        return 'Done';
      },
    });
    const task = await front.send(agent, 'go');
    expect(textOf(task.status?.message)).toBe('Done');
    expect(task.artifacts?.[0]?.parts).toHaveLength(601);
    expect(watched(front).size).toBe(0);
  });

  it('resumes after any event, while the task runs and after it has ended', async () => {
    const engine = await engines.start();
    const go = new Gate();
    const agent = engines.agent({
      async run(task) {
        await task.status('one');
        await task.requestInput('Which?');
        await task.status('two');
        await go.opened;
      },
    });
    const { id } = await engine.send(agent, 'go');
    await engine.submit(agent, { taskId: id });
    await tables.waitFor(async () => expect(await tables.events(id!)).toHaveLength(6));
    const running = [0, 1, 3, 4, 5, 6].map((lastEventId) => all(engine.subscribe(agent, id!, { lastEventId })));
    await tables.waitFor(async () => expect(watched(engine).get(`acme/${id}`)?.watchers.size).toBe(6));
    go.open();
    const streams = await Promise.all(running);
    const log = await logAfter(id!, 0);
    expect(log).toHaveLength(7);
    const [[, opening]] = log as [[number, StreamResponseJson]];
    const { history } = await engine.get(agent, id!);
    // The log's first event has no history; whoever starts there sees the message that made the task.
    const whole = [[1, { task: { ...opening.task, history: history!.slice(0, 1) } }], ...log.slice(1)];
    for (const [i, after] of [0, 1, 3, 4, 5, 6].entries())
      expect(streams[i]!.map(numbered)).toEqual(whole.slice(after));
    for (let after = 0; after < 7; after++) {
      const events = await all(engine.subscribe(agent, id!, { lastEventId: after }));
      expect(events.map(numbered)).toEqual(whole.slice(after));
    }
    await expect(all(engine.subscribe(agent, id!, { lastEventId: 8 }))).rejects.toMatchObject({
      reason: 'INVALID_PARAMS',
    });
  });

  it('shows an event only when it is committed', async () => {
    const engine = await engines.start();
    const [ready, go] = [new Gate(), new Gate()];
    const agent = engines.agent({
      async run(task) {
        ready.open();
        await go.opened;
        await task.status('committed');
      },
    });
    const stream = engine.stream(agent, 'go');
    const { value } = await stream.next();
    const id = value!.task!.id!;
    await ready.opened;
    await tables.until(id, 'WORKING');
    const release = await tables.hold(id);
    go.open();
    await tables.untilBlocked(COMMITTER);
    expect(watched(engine).get(`acme/${id}`)?.sequence).toBe(2);
    await release();
    expect((await all(stream)).map(({ sequence }) => sequence)).toEqual([2, 3, 4]);
  });

  it('refuses a stream beyond the limit before anything is stored, and takes it when another has ended', async () => {
    const engine = await engines.start({ config: { maxStreams: 3 } });
    const go = new Gate();
    const agent = engines.agent({ run: () => go.opened });
    const open = [engine.stream(agent, 'go'), engine.stream(agent, 'go'), engine.stream(agent, 'go')];
    const firsts = await Promise.all(open.map((stream) => stream.next()));
    const id = firsts[0]!.value!.task!.id!;
    await tables.until(id, 'WORKING');
    const before = await tables.everything();
    const refused = { reason: 'RESOURCE_EXHAUSTED', retryAfterMs: expect.any(Number) };
    await expect(all(engine.stream(agent, 'more'))).rejects.toMatchObject(refused);
    await expect(all(engine.subscribe(agent, id))).rejects.toMatchObject(refused);
    await tables.waitFor(async () =>
      expect(await tables.rows('select from perdure.tasks where agent = $1', [agent])).toHaveLength(3),
    );
    expect(before).not.toContain('more');
    expect(await tables.everything()).not.toContain('"more"');
    await open[0]!.return(undefined);
    const taken = engine.subscribe(agent, id);
    expect((await taken.next()).value).toMatchObject({ task: { id } });
    await expect(all(engine.stream(agent, 'more'))).rejects.toMatchObject(refused);
    go.open();
    await Promise.all([all(taken), ...open.slice(1).map(all)]);
    expect((await all(engine.stream(agent, 'now'))).at(-1)?.statusUpdate?.status?.state).toBe('TASK_STATE_COMPLETED');
  });

  it('leaves streams for other tenants, however many one of them asks for', async () => {
    const engine = await engines.start({ config: { maxStreams: 3, maxTenantStreams: 2 } });
    const go = new Gate();
    const agent = engines.agent({ run: () => go.opened });
    const open = [engine.stream(agent, 'go'), engine.stream(agent, 'go')];
    await Promise.all(open.map((stream) => stream.next()));
    const refused = { reason: 'RESOURCE_EXHAUSTED', message: expect.stringContaining('tenant') };
    await expect(all(engine.stream(agent, 'more'))).rejects.toMatchObject(refused);
    const other = engine.stream(agent, 'go', { caller: { tenant: 'globex' } });
    expect((await other.next()).value).toMatchObject({ task: {} });
    await open[0]!.return(undefined);
    const again = engine.stream(agent, 'go');
    expect((await again.next()).value).toMatchObject({ task: {} });
    go.open();
    await Promise.all([open[1]!, other, again].map(all));
  });

  it('lets a bounded number of callers wait for their tasks, and refuses more before anything is stored', async () => {
    const engine = await engines.start({ config: { maxWaiting: 1 } });
    const go = new Gate();
    const agent = engines.agent({ run: () => go.opened });
    const waiting = engine.send(agent, 'first');
    await tables.waitFor(async () =>
      expect(await tables.rows('select from perdure.tasks where agent = $1', [agent])).toHaveLength(1),
    );
    const refused = { reason: 'RESOURCE_EXHAUSTED', retryAfterMs: expect.any(Number) };
    await expect(engine.send(agent, 'second')).rejects.toMatchObject(refused);
    await engine.submit(agent, 'third');
    go.open();
    await waiting;
    expect((await engine.send(agent, 'fourth')).status?.state).toBe('TASK_STATE_COMPLETED');
    expect(await tables.rows('select from perdure.tasks where agent = $1', [agent])).toHaveLength(3);
  });

  it('ends a stream when its reader hangs up', async () => {
    const engine = await engines.start();
    const agent = engines.agent({ run: () => new Promise(() => undefined) });
    const reader = new AbortController();
    const stream = engine.stream(agent, 'go', { caller: { signal: reader.signal } });
    const { value } = await stream.next();
    await stream.next();
    const waiting = stream.next();
    reader.abort();
    expect(await waiting).toEqual({ done: true, value: undefined });
    expect(watched(engine).size).toBe(0);
    await engine.cancel(agent, value!.task!.id);
  });
});
