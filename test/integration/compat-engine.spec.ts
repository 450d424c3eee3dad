import { randomUUID } from 'node:crypto';
import { type Message, type MessageSendParams, type Task } from '@a2a-js/sdk-0.3';
import {
  type Client,
  ClientFactory,
  JsonRpcTransportFactory,
  RestTransportFactory,
  TaskNotFoundError,
  UnsupportedOperationError,
} from '@a2a-js/sdk-0.3/client';
import { beforeAll, describe, expect, it } from 'vitest';
import { useServers } from '../support/in-process-server.js';

const servers = useServers(1);

const TRIP = 'Lisbon, 2027-05-01 to 2027-05-05';

describe.each(['JSONRPC', 'HTTP+JSON'] as const)('the official client of 0.3 over %s', (transport) => {
  let echo: Client;
  let booking: Client;
  /** The paths that the client called. */
  const called: string[] = [];

  beforeAll(async () => {
    const fetchImpl: typeof fetch = (input, init) => {
      called.push(new URL(input).pathname);
      return fetch(input, init);
    };
    const transports = [new JsonRpcTransportFactory({ fetchImpl }), new RestTransportFactory({ fetchImpl })];
    const factory = new ClientFactory({ transports, preferredTransports: [transport] });
    const agent = (name: string) => factory.createFromUrl(`${servers.url}/agents/${name}/`);
    [echo, booking] = [await agent('echo'), await agent('trip-booking')];
  });

  it('finds the agent by its card, and speaks over its transport', async () => {
    expect((await echo.getAgentCard()).name).toBe('Echo');
    await echo.sendMessage(say('Hello'));
    expect(called.at(-1)).toBe(transport === 'JSONRPC' ? '/agents/echo' : '/agents/echo/v1/message:send');
  });

  it('sends a message, waits for the task, and gets it again', async () => {
    const task = (await echo.sendMessage(say('Hello'))) as Task;
    expect(task).toMatchObject({ kind: 'task', status: { state: 'completed', message: { role: 'agent' } } });
    expect(textOf(task.status.message)).toBe('Hello');
    expect(task.history?.map((message) => textOf(message))).toEqual(['Hello']);
    const again = await echo.getTask({ id: task.id });
    expect(again).toMatchObject({ id: task.id, contextId: task.contextId, status: { state: 'completed' } });
  });

  it('follows a task from its start to its end', async () => {
    const kinds: string[] = [];
    let last: unknown;
    for await (const event of echo.sendMessageStream(say('Hello'))) {
      kinds.push(event.kind);
      last = event;
    }
    expect([kinds[0], kinds.at(-1)]).toEqual(['task', 'status-update']);
    expect(last).toMatchObject({ final: true, status: { state: 'completed' } });
  });

  it('answers a question in the same task, and cancels it', async () => {
    const asked = (await booking.sendMessage(say(TRIP))) as Task;
    expect(asked.status.state).toBe('input-required');
    const { id: taskId, contextId } = asked;
    const answered = (await booking.sendMessage(say('1', { taskId, contextId }))) as Task;
    expect(answered).toMatchObject({ id: taskId, kind: 'task' });
    expect(answered.status.state).not.toBe('working');
    expect((await booking.cancelTask({ id: taskId })).status.state).toBe('canceled');
  });

  it('returns at once where it does not wait', async () => {
    const task = (await booking.sendMessage({ ...say(TRIP), configuration: { blocking: false } })) as Task;
    expect(['submitted', 'working']).toContain(task.status.state);
  });

  it('has a task that has ended once, when it subscribes to it', async () => {
    const task = (await echo.sendMessage(say('Hello'))) as Task;
    const events = [];
    for await (const event of echo.resubscribeTask({ id: task.id })) events.push(event);
    expect(events).toMatchObject([{ kind: 'task', id: task.id, status: { state: 'completed' } }]);
  });

  it('knows our errors for its own', async () => {
    await expect(echo.getTask({ id: randomUUID() })).rejects.toThrow(TaskNotFoundError);
    const { id: taskId, contextId } = (await echo.sendMessage(say('Hello'))) as Task;
    await expect(echo.sendMessage(say('More', { taskId, contextId }))).rejects.toThrow(UnsupportedOperationError);
  });
});

describe('the first dialect', () => {
  it('finds the task again by the id that the client chose, speaks to it and cancels it', async () => {
    const id = 'my trip / 1';
    const asked = await rpc('trip-booking', 'tasks/send', { id, message: first(TRIP) });
    expect(asked).toMatchObject({ id, sessionId: expect.any(String), status: { state: 'input-required' } });
    expect(await rpc('trip-booking', 'tasks/get', { id, historyLength: 9 })).toMatchObject({
      ...{ id, status: { state: 'input-required' } },
      history: [{ role: 'user', parts: [{ type: 'text', text: TRIP }] }],
    });
    const answered = await rpc('trip-booking', 'tasks/send', { id, sessionId: asked.sessionId, message: first('1') });
    expect(answered).toMatchObject({ id, sessionId: asked.sessionId });
    expect(await rpc('trip-booking', 'tasks/cancel', { id })).toMatchObject({ id, status: { state: 'canceled' } });
    await expect(rpc('trip-booking', 'tasks/send', { id, message: first('2') })).rejects.toThrow('-32004');
  });

  it('keeps ids of different agents and tenants apart', async () => {
    const id = randomUUID();
    await rpc('echo', 'tasks/send', { id, message: first('ours') });
    for (const address of ['greeter', 'echo/acme']) {
      await expect(rpc(address, 'tasks/get', { id }), address).rejects.toThrow('-32001');
    }
    expect(await rpc('echo/acme', 'tasks/send', { id, message: first('theirs') })).toMatchObject({ id });
    const ours = await rpc('echo', 'tasks/get', { id });
    expect(ours).toMatchObject({ id, status: { message: { parts: [{ text: 'ours' }] } } });
  });

  it('makes one task of messages that come at once with the same new id', async () => {
    const id = randomUUID();
    const sends = [1, 2, 3, 4].map((n) =>
      rpc('trip-booking', 'tasks/send', { id, message: first(`${TRIP}${' '.repeat(n)}`) }),
    );
    for (const sent of await Promise.all(sends)) expect(sent).toMatchObject({ id });
    const { history } = await rpc('trip-booking', 'tasks/get', { id, historyLength: 100 });
    expect(history.filter(({ role }: { role: string }) => role === 'user')).toHaveLength(4);
  });

  it('streams a task, and shares it with 0.3 under the id of the server', async () => {
    const id = randomUUID();
    const { text } = await post('echo', 'tasks/sendSubscribe', { id, sessionId: `s-${id}`, message: first('Hello') });
    const results = [...text.matchAll(/^data: (.*)$/gm)].map(([, data]) => JSON.parse(data!).result);
    expect(results.map(({ id: of, final }) => [of, final])).toEqual(
      results.map((_, index) => [id, index === results.length - 1]),
    );
    expect(results.at(-1)).toMatchObject({ id, status: { state: 'completed' }, final: true });

    const { tasks } = await servers.rpc('echo').call('ListTasks', { contextId: `s-${id}` });
    const uuid = tasks![0]!.id!;
    expect(uuid).not.toBe(id);
    expect(await rpc('echo', 'tasks/get', { id: uuid })).toMatchObject({ kind: 'task', id: uuid });
    expect(await rpc('echo', 'tasks/get', { id })).not.toHaveProperty('kind');
  });

  it('has an answer without a task as one that has completed, and the id is free for a task', async () => {
    const id = randomUUID();
    const parts = [{ type: 'text', text: 'Hi there' }];
    const greeted = { id, status: { state: 'completed', message: { role: 'agent', parts } } };
    expect(await rpc('greeter', 'tasks/send', { id, message: first('Hi') })).toMatchObject(greeted);
    await expect(rpc('greeter', 'tasks/get', { id })).rejects.toThrow('-32001');
    await rpc('greeter', 'tasks/send', { id, message: first('Work') });
    expect(await rpc('greeter', 'tasks/get', { id })).toMatchObject({ id, status: { state: 'completed' } });
  });
});

function say(text: string, fields: Partial<Message> = {}): MessageSendParams {
  const message = { kind: 'message', role: 'user', messageId: randomUUID(), parts: [{ kind: 'text', text }] } as const;
  return { message: { ...message, parts: [...message.parts], ...fields } };
}

function first(text: string) {
  return { role: 'user', parts: [{ type: 'text', text }] };
}

function textOf(message: Message | undefined): string {
  return (message?.parts ?? []).map((part) => (part.kind === 'text' ? part.text : '')).join();
}

async function post(agent: string, method: string, params: unknown): Promise<{ text: string }> {
  const [name, tenant] = agent.split('/');
  const headers = { 'content-type': 'application/json' };
  const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method, params });
  const answer = await fetch(`${servers.url}/agents/${name}${tenant ? `/${tenant}` : ''}`, {
    method: 'POST',
    headers,
    body,
  });
  return { text: await answer.text() };
}

// eslint-disable-next-line @typescript-eslint/no-explicit-any
async function rpc(agent: string, method: string, params: unknown): Promise<any> {
  const { result, error } = JSON.parse((await post(agent, method, params)).text);
  if (error) throw new Error(`${error.code} ${error.message}`);
  return result;
}
