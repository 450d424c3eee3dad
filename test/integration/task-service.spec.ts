import { describe, expect, it } from 'vitest';
import { Fail, Reject } from '../../libs/agents/src/sdk.js';
import { all, call, type Caller, sendRequest, textOf, useEngines } from '../support/engine.js';
import { Gate } from '../support/gate.js';
import { useDatabase } from '../support/postgres.js';
import { useTables } from '../support/task-tables.js';

const database = useDatabase();
const tables = useTables(database);
const engines = useEngines(database);

const echo = engines.agent({ run: (task) => `did ${textOf(task.message)}` });
const asking = engines.agent({ run: async (task) => textOf(await task.requestInput('Which?')) });

/** The reason of the error that the promise ends with, and the field it names, if it does. */
async function refusal(promise: Promise<unknown>): Promise<string> {
  return promise.then(
    (answer) => `answered ${JSON.stringify(answer)}`,
    ({ reason, violations }) =>
      [reason, ...(violations ?? []).slice(0, 1).map(({ field }: { field: string }) => field)].join(' '),
  );
}

describe('history', () => {
  it('is as long as the caller asks, in every answer', async () => {
    const engine = await engines.start();
    const { id } = await engine.send(asking, 'one');
    const answer = (historyLength?: number) =>
      engine.send(asking, { taskId: id, parts: [{ text: 'two' }] }, { historyLength });
    expect((await answer(2)).history?.map(textOf)).toEqual(['Which?', 'two']);
    const whole = ['one', 'Which?', 'two'];
    const lengths: [number | undefined, string[] | undefined][] = [
      [undefined, whole],
      [0, undefined],
      [1, ['two']],
      [3, whole],
      [2_147_483_647, whole],
    ];
    for (const [length, expected] of lengths) {
      expect((await engine.get(asking, id!, {}, length)).history?.map(textOf)).toEqual(expected);
      const sent = await engine.send(echo, 'x', { historyLength: length });
      expect(sent.history?.map(textOf)).toEqual(length === 0 ? undefined : ['x']);
      const [first] = await all(engine.stream(echo, 'x', { historyLength: length }));
      expect(first!.task!.history?.map(textOf)).toEqual(length === 0 ? undefined : ['x']);
    }
    const accepted = await engine.submit(echo, 'x', { historyLength: 0 });
    expect(accepted).not.toHaveProperty('history');
  });

  it('cannot be of negative length', async () => {
    const engine = await engines.start();
    const { id } = await engine.send(echo, 'one');
    expect(await refusal(engine.send(echo, 'x', { historyLength: -1 }))).toBe(
      'INVALID_PARAMS configuration.historyLength',
    );
    expect(await refusal(all(engine.stream(echo, 'x', { historyLength: -1 })))).toBe(
      'INVALID_PARAMS configuration.historyLength',
    );
    expect(await refusal(engine.get(echo, id!, {}, -1))).toBe('INVALID_PARAMS historyLength');
  });

  it('holds the messages of the client as they were sent', async () => {
    const engine = await engines.start();
    const message = {
      messageId: 'mine',
      parts: [{ text: 'x', metadata: { a: [1] } }, { data: null }],
      metadata: { b: {} },
      extensions: ['urn:e'],
      referenceTaskIds: ['t'],
    };
    const task = await engine.send(echo, message);
    expect(task.history).toEqual([{ ...message, role: 'ROLE_USER', taskId: task.id, contextId: task.contextId }]);
  });
});

describe('contexts', () => {
  it('are the client’s own, made where there is none, and known by the task', async () => {
    const engine = await engines.start();
    const own = await engine.send(asking, { contextId: 'my context', parts: [{ text: 'x' }] });
    expect(own.contextId).toBe('my context');
    expect(own.status?.message?.contextId).toBe('my context');
    const [first, second] = [await engine.send(echo, 'x'), await engine.send(echo, 'x')];
    expect(first.contextId).toMatch(/^[0-9a-f-]{36}$/);
    expect(second.contextId).not.toBe(first.contextId);
    expect(await refusal(engine.send(asking, { taskId: own.id, contextId: 'another' }))).toBe(
      'INVALID_PARAMS message.contextId',
    );
    const done = await engine.send(asking, { taskId: own.id });
    expect(done.contextId).toBe('my context');
    expect(done.history?.at(-1)).toMatchObject({ contextId: 'my context', taskId: own.id });
  });
});

describe('a task that has ended', () => {
  it.each([
    ['completed', engines.agent({ run: () => 'Done' })],
    ['failed', engines.agent({ run: () => Promise.reject(new Fail('no')) })],
    ['rejected', engines.agent({ run: () => Promise.reject(new Reject('no')) })],
    ['canceled', asking],
  ])('takes no message, cancel or subscription, but can be read and resumed: %s', async (state, agent) => {
    const engine = await engines.start();
    const { id } = await engine.send(agent, 'go');
    if (state === 'canceled') await engine.cancel(agent, id!);
    const task = await engine.get(agent, id!);
    expect(task.status?.state).toBe(`TASK_STATE_${state.toUpperCase()}`);
    const before = await tables.everything();
    expect(await refusal(engine.send(agent, { taskId: id }))).toBe('UNSUPPORTED_OPERATION');
    expect(await refusal(all(engine.stream(agent, { taskId: id })))).toBe('UNSUPPORTED_OPERATION');
    expect(await refusal(all(engine.subscribe(agent, id!)))).toBe('UNSUPPORTED_OPERATION');
    if (state !== 'canceled') expect(await refusal(engine.cancel(agent, id!))).toBe('TASK_NOT_CANCELABLE');
    const log = await tables.events(id!);
    const resumed = await all(engine.subscribe(agent, id!, { lastEventId: 1 }));
    expect(resumed.map(({ sequence, ...event }) => [sequence, event])).toEqual(
      log.slice(1).map((event, i) => [i + 2, event]),
    );
    expect(await refusal(all(engine.subscribe(agent, id!, { lastEventId: log.length })))).toBe('UNSUPPORTED_OPERATION');
    expect(await tables.everything()).toBe(before);
  });
});

describe('a task that is not there', () => {
  it('looks like one of another tenant, and one of another agent', async () => {
    const engine = await engines.start();
    const { id } = await engine.send(asking, 'go');
    const cases: [string, string, Caller][] = [
      [asking, '00000000-0000-7000-8000-000000000000', {}],
      [asking, 'no uuid', {}],
      [asking, '', {}],
      [asking, id!, { tenant: 'other' }],
      [asking, id!, { tenant: '' }],
      [echo, id!, {}],
    ];
    const before = await tables.everything();
    for (const [agent, task, caller] of cases) {
      const calls = [
        ...[
          engine.get(agent, task, caller),
          engine.cancel(agent, task, caller),
          all(engine.subscribe(agent, task, caller)),
        ],
        all(engine.subscribe(agent, task, { ...caller, lastEventId: 1 })),
      ];
      if (task !== '')
        calls.push(
          engine.send(agent, { taskId: task }, { caller }),
          all(engine.stream(agent, { taskId: task }, { caller })),
        );
      const errors = await Promise.all(
        calls.map((promise) => promise.then(String, (error) => ({ ...error, message: error.message }))),
      );
      for (const error of errors) {
        expect(error).toMatchObject({
          reason: 'TASK_NOT_FOUND',
          message: 'Task not found',
          metadata: { taskId: task },
        });
      }
    }
    expect(await tables.everything()).toBe(before);
  });

  it('is found in whatever case its id is written', async () => {
    const engine = await engines.start();
    const { id } = await engine.send(asking, 'go');
    expect((await engine.get(asking, id!.toUpperCase())).id).toBe(id);
    expect((await engine.send(asking, { taskId: id!.toUpperCase(), parts: [{ text: 'x' }] })).id).toBe(id);
  });
});

describe('a blocking send', () => {
  it('answers at once when told to, with the task as it was accepted', async () => {
    const engine = await engines.start();
    const go = new Gate();
    const agent = engines.agent({ run: () => go.opened });
    const accepted = await engine.submit(agent, 'go');
    expect(accepted).toMatchObject({ status: { state: 'TASK_STATE_SUBMITTED' }, history: [{ taskId: accepted.id }] });
    expect(accepted.metadata).toEqual({
      createdAt: accepted.status!.timestamp,
      lastModified: accepted.status!.timestamp,
    });
    go.open();
    await tables.until(accepted.id!, 'COMPLETED');
  });

  it('waits no longer than the longest wait, and no longer than its caller', async () => {
    const engine = await engines.start({ config: { blockingTimeoutMs: 50 } });
    const patient = await engines.start();
    const agent = engines.agent({ run: () => new Promise(() => undefined) });
    const waited = await engine.send(agent, 'go');
    expect(waited.status?.state).toBe('TASK_STATE_WORKING');
    const caller = new AbortController();
    const gone = patient.send(agent, 'go', { caller: { signal: caller.signal } });
    await tables.waitFor(async () =>
      expect(await tables.rows(`select from perdure.tasks where agent = $1 and state = 2`, [agent])).toHaveLength(2),
    );
    caller.abort();
    const left = await gone;
    expect(left.status?.state).toBe('TASK_STATE_WORKING');
    // Neither is taken up by the processes of later tests.
    for (const { id } of [waited, left]) await patient.cancel(agent, id!);
  });

  it('is not answered by a question that was answered before it', async () => {
    const engine = await engines.start();
    const [running, go] = [new Gate(), new Gate()];
    const agent = engines.agent({
      async run(task) {
        await task.requestInput('First?');
        running.open();
        await go.opened;
        return 'Done';
      },
    });
    const { id } = await engine.send(agent, 'go');
    await engine.submit(agent, { taskId: id });
    await running.opened;
    // A subscription that has yet to read the log from its start, and one who waits beside it.
    const subscription = engine.subscribe(agent, id!);
    await subscription.next();
    const second = engine.send(agent, { taskId: id, parts: [{ text: 'more' }] });
    await tables.waitFor(async () =>
      expect(await tables.rows('select from perdure.task_messages where task_id = $1', [id])).toHaveLength(4),
    );
    engine.tasks.signals.publish('tasks', `acme/${id}`);
    const streams = engine.tasks.streams as unknown as { topics: Record<string, { sequence: number }> };
    await tables.waitFor(async () => expect(streams.topics[`acme/${id}`]?.sequence).toBeGreaterThanOrEqual(4));
    go.open();
    expect((await second).status?.state).not.toBe('TASK_STATE_WORKING');
    await subscription.return(undefined);
  });
});

describe('a request', () => {
  it('is refused before anything is stored when it is not one', async () => {
    const engine = await engines.start({ config: { maxPartsPerMessage: 3 } });
    const before = await tables.everything();
    const send = (message: Parameters<typeof engine.send>[1], options?: Parameters<typeof engine.send>[2]) =>
      refusal(engine.send(echo, message, options));
    expect(await send({ role: 'ROLE_AGENT' })).toBe('INVALID_PARAMS message.role');
    expect(await send({ parts: [{}] })).toBe('INVALID_PARAMS message.parts[0]');
    expect(await send({ parts: Array(4).fill({ text: 'x' }) })).toBe('INVALID_PARAMS message.parts');
    expect(await send({ parts: [{ url: 'nowhere' }] })).toBe('INVALID_PARAMS message.parts[0].url');
    expect(await send({ contextId: 'x'.repeat(513) })).toBe('INVALID_PARAMS message.contextId');
    expect(await refusal(engine.send('no-such-agent', 'x'))).toBe('UNSUPPORTED_OPERATION');
    const request = sendRequest('x');
    request.message = undefined;
    expect(await refusal(engine.tasks.service.sendMessage(request, call(echo)))).toBe('INVALID_PARAMS message');
    expect(await tables.everything()).toBe(before);
  });

  it('may carry only media types that the agent takes', async () => {
    const engine = await engines.start();
    const skills = [
      { id: 's', name: 's', description: 's', tags: [], inputModes: ['image/*', 'text/csv;header=present'] },
    ];
    const card = { name: 'n', description: 'd', version: '1', skills, defaultInputModes: ['application/JSON'] };
    const agent = engines.agent({ card, run: () => 'Done' });
    const send = (mediaType: string) =>
      refusal(engine.send(agent, { parts: [{ text: 'no type' }, { text: 'x', mediaType }] }));
    for (const fine of ['application/json', 'APPLICATION/json; charset=utf-8', 'image/png', 'text/csv']) {
      expect(await send(fine)).toMatch(/^answered/);
    }
    for (const wrong of ['text/plain', 'image', 'images/png', 'application/jsonl']) {
      expect(await send(wrong)).toMatch(wrong === 'image' ? /INVALID_PARAMS/ : /CONTENT_TYPE_NOT_SUPPORTED/);
    }
    const plain = engines.agent({ run: () => 'Done' });
    expect(await refusal(engine.send(plain, { parts: [{ text: 'x', mediaType: 'text/plain' }] }))).toMatch(/^answered/);
    expect(await refusal(engine.send(plain, { parts: [{ text: 'x', mediaType: 'text/html' }] }))).toBe(
      'CONTENT_TYPE_NOT_SUPPORTED',
    );
  });

  it('for an extended card is refused', async () => {
    const { service } = (await engines.start()).tasks;
    expect(await refusal(service.getExtendedAgentCard())).toBe('UNSUPPORTED_OPERATION');
  });
});

describe('respond', () => {
  it('answers without a task, or leaves the message to become one', async () => {
    const engine = await engines.start();
    const seen: unknown[] = [];
    const agent = engines.agent({
      respond: (request) => {
        seen.push([textOf(request.message), request.tenant, request.principal, request.metadata]);
        return textOf(request.message) === 'ping' ? 'pong' : undefined;
      },
      run: () => 'Done',
    });
    const answer = await engine.answer(agent, { contextId: 'c', parts: [{ text: 'ping' }] });
    expect(answer.message).toMatchObject({
      role: 'ROLE_AGENT',
      parts: [{ text: 'pong' }],
      contextId: 'c',
      messageId: expect.any(String),
    });
    const streamed = await all(engine.stream(agent, 'ping'));
    expect(streamed).toEqual([{ sequence: 0, message: expect.objectContaining({ parts: [{ text: 'pong' }] }) }]);
    expect(await tables.rows('select from perdure.tasks where agent = $1', [agent])).toEqual([]);
    expect(textOf((await engine.send(agent, 'work')).status?.message)).toBe('Done');
    expect(seen).toEqual(['ping', 'ping', 'work'].map((text) => [text, 'acme', 'alice', {}]));
  });

  it('is not asked about a message to a task', async () => {
    const engine = await engines.start();
    const agent = engines.agent({
      respond: ({ message }) => (textOf(message) === 'answer' ? 'no task' : undefined),
      run: async (task) => textOf(await task.requestInput('?')),
    });
    const { id } = await engine.send(agent, 'go');
    expect(textOf((await engine.send(agent, { taskId: id, parts: [{ text: 'answer' }] })).status?.message)).toBe(
      'answer',
    );
  });

  it('cannot hurt the caller: errors, nonsense and silence have their answers', async () => {
    const engine = await engines.start();
    const answerOf = (respond: () => unknown) =>
      refusal(engine.answer(engines.agent({ timeoutMs: 50, respond: respond as never, run: () => 'Done' }), 'x'));
    expect(await answerOf(() => 7)).toBe('INVALID_AGENT_RESPONSE');
    expect(await answerOf(() => ({ parts: [] }))).toBe('INVALID_AGENT_RESPONSE');
    expect(await answerOf(() => Promise.reject(new Reject('Not today')))).toBe('UNSUPPORTED_OPERATION');
    expect(await answerOf(() => new Promise(() => undefined))).toBe('UNAVAILABLE');
    const broken = engines.agent({ respond: () => Promise.reject(new Error('secret')), run: () => 'Done' });
    await expect(engine.answer(broken, 'x')).rejects.toThrow('secret');
    expect(await tables.everything()).not.toContain('secret');
  });
});
