import { randomBytes } from 'node:crypto';
import { Message, Role, SendMessageRequest, Task, TaskState } from '@a2a-js/sdk';
import { type Client } from '@a2a-js/sdk/client';
import { beforeAll, describe, expect, it } from 'vitest';
import { useServers } from '../support/in-process-server.js';
import { Ledger } from '../support/ledger.js';
import {
  all,
  discover,
  id,
  isTask,
  list,
  say,
  send,
  stateOf,
  TRANSPORTS,
  type TransportName,
  words,
} from '../support/official-client.js';
import { temporaryFolder } from '../support/temporary-folder.js';

const folder = temporaryFolder();
const servers = useServers(1, { secretKeys: [randomBytes(32)] });

function agent(name: string, transport: TransportName): Promise<Client> {
  return discover(`${servers.url}/agents/${name}`, transport);
}

describe.each(TRANSPORTS)('the official JavaScript client over %s', (transport) => {
  let echo: Client;
  beforeAll(async () => {
    echo = await agent('echo', transport);
  });

  it('discovers the default agent at the root and each agent below its own address', async () => {
    const root = await discover(servers.url, transport);
    const { name, capabilities, supportedInterfaces } = await root.getAgentCard();
    expect(name).toBe('Echo');
    expect(capabilities).toMatchObject({ streaming: true, pushNotifications: true, extendedAgentCard: false });
    expect(supportedInterfaces.map(({ protocolBinding }) => protocolBinding)).toContain(transport);
    expect([root.transport.protocolName, root.protocolVersion]).toEqual([transport, '1.0']);
    expect(words((await send(root, say('root'))).status?.message)).toBe('root');
    expect((await (await agent('flaky', transport)).getAgentCard()).name).toBe('Flaky');
  });

  it('finds a tenant below its own address, whose tasks no other tenant sees', async () => {
    const acme = await discover(`${servers.url}/agents/echo/acme`, transport);
    const other = await discover(`${servers.url}/agents/echo/other`, transport);
    const contextId = crypto.randomUUID();
    const task = await send(acme, say('ours', { contextId }));
    expect((await acme.getTask(id(task.id))).id).toBe(task.id);
    expect((await acme.listTasks(list({ contextId }))).tasks.map((listed) => listed.id)).toEqual([task.id]);
    expect((await other.listTasks(list({ contextId }))).tasks).toEqual([]);
    await expect(other.getTask(id(task.id))).rejects.toThrow('Task not found');
    await expect(echo.getTask(id(task.id))).rejects.toThrow('Task not found');
  });

  it('sets, reads, lists and deletes webhooks of a task that has ended', async () => {
    const { id: taskId } = await send(echo, say('push'));
    const hook = { tenant: '', taskId, url: 'https://webhook.invalid/', token: 't' };
    const authentication = { scheme: 'Bearer', credentials: 'c' };
    const shown = { ...hook, id: 'a', token: '', authentication: { scheme: 'Bearer', credentials: '' } };
    const secretless = (config: object) => expect(config).toMatchObject(shown);
    secretless(await echo.createTaskPushNotificationConfig({ ...hook, id: 'a', authentication }));
    secretless(await echo.getTaskPushNotificationConfig({ tenant: '', taskId, id: 'a' }));
    await echo.createTaskPushNotificationConfig({ ...hook, id: 'b', authentication });
    const configs = [];
    let pageToken = '';
    // Over HTTP+JSON the client asks for no page, and has them all in one.
    do {
      const page = await echo.listTaskPushNotificationConfig({ tenant: '', taskId, pageSize: 1, pageToken });
      configs.push(...page.configs);
      pageToken = page.nextPageToken;
    } while (pageToken !== '');
    expect(configs.map((config) => config.id)).toEqual(['a', 'b']);
    secretless(configs[0]!);
    for (let i = 0; i < 2; i++) await echo.deleteTaskPushNotificationConfig({ tenant: '', taskId, id: 'a' });
    await expect(echo.getTaskPushNotificationConfig({ tenant: '', taskId, id: 'a' })).rejects.toThrow('webhook');
  });

  it('sends a webhook along with a message', async () => {
    const taskPushNotificationConfig = { id: 'mine', url: 'https://webhook.invalid/' };
    const { id: taskId } = await send(echo, say('push', { configuration: { taskPushNotificationConfig } }));
    expect(await echo.getTaskPushNotificationConfig({ tenant: '', taskId, id: 'mine' })).toMatchObject({
      url: 'https://webhook.invalid/',
    });
  });

  it('sends a message and has the finished task as the answer', async () => {
    const request = say('Hello', { contextId: `context-${transport}` });
    const { contextId } = request.message!;
    const task = await send(echo, request);
    expect(task).toMatchObject({ contextId, status: { state: TaskState.TASK_STATE_COMPLETED } });
    expect(task.status?.message).toMatchObject({ role: Role.ROLE_AGENT, taskId: task.id, contextId });
    expect(words(task.status?.message)).toBe('Hello');
    expect(task.history).toEqual([{ ...request.message!, taskId: task.id }]);
    expect(task.metadata).toEqual({ createdAt: expect.any(String), lastModified: expect.any(String) });
  });

  it('gets every kind of part back as it sent it', async () => {
    const parts = [
      { text: 'zwölf ☃ 👩‍🚀', metadata: { a: [1, null, { b: true }] } },
      { raw: Buffer.from([0, 255, 10]).toString('base64'), filename: 'a.bin', mediaType: 'application/octet-stream' },
      { url: 'https://example.com/x', mediaType: 'image/png' },
      { data: { n: 1.5, list: [], deep: { empty: {} } } },
    ];
    const message = { messageId: 'm', role: 'ROLE_USER', parts };
    const task = await send(echo, SendMessageRequest.fromJSON({ message }));
    expect((Message.toJSON(task.status!.message!) as { parts: unknown }).parts).toEqual(parts);
  });

  it('gets a Message where the agent answers without a task', async () => {
    const greeter = await agent('greeter', transport);
    const answer = await greeter.sendMessage(say('Hi'));
    expect(isTask(answer)).toBe(false);
    expect(words(answer as Message)).toBe('Hi there');
    const streamed = await all(greeter.sendMessageStream(say('Hi')));
    expect(streamed.map(({ payload }) => payload?.$case)).toEqual(['message']);
    expect((await greeter.listTasks(list())).totalSize).toBe(0);
  });

  it('streams a task from its start to its end', async () => {
    const csv = await agent('csv-report', transport);
    const events = await all(csv.sendMessageStream(say('a,b\n1,2')));
    expect(events[0]!.payload).toMatchObject({ $case: 'task', value: { history: [{ role: Role.ROLE_USER }] } });
    const kinds = events.map(({ payload }) => payload?.$case);
    expect(kinds.filter((kind) => kind === 'artifactUpdate')).toHaveLength(4);
    const states = events.map(stateOf).filter((state) => state !== undefined);
    expect(states.slice(0, 2)).toEqual([TaskState.TASK_STATE_SUBMITTED, TaskState.TASK_STATE_WORKING]);
    expect(states.indexOf(TaskState.TASK_STATE_COMPLETED)).toBe(states.length - 1);
    expect(stateOf(events.at(-1)!)).toBe(TaskState.TASK_STATE_COMPLETED);
  });

  it('sends without waiting, follows the task from two subscriptions, and both see the same to the end', async () => {
    const ledger = new Ledger(`${folder}/resubscribe-${transport}`);
    const client = await agent('ledger', transport);
    const started = await send(client, say('', { ...ledger.message(2), configuration: { returnImmediately: true } }));
    expect(started.status?.state).toBe(TaskState.TASK_STATE_SUBMITTED);
    await ledger.reached(1);

    const subscriptions = [client.resubscribeTask(id(started.id)), client.resubscribeTask(id(started.id))];
    const snapshots = await Promise.all(subscriptions.map(async (stream) => (await stream.next()).value!));
    for (const { payload } of snapshots) {
      expect(payload).toMatchObject({ $case: 'task', value: { status: { state: TaskState.TASK_STATE_WORKING } } });
    }
    ledger.open(2);
    const [first, second] = await Promise.all(subscriptions.map(all));
    expect(first).toEqual(second);
    expect(stateOf(first!.at(-1)!)).toBe(TaskState.TASK_STATE_COMPLETED);
    const task = await client.getTask(id(started.id));
    expect(task.artifacts.map(words)).toEqual(['1;2;']);
  });

  it('polls, where it is told to, for a task that it does not wait for', async () => {
    const ledger = new Ledger(`${folder}/polling-${transport}`);
    const client = await agent('ledger', transport);
    const polling = { configuration: { returnImmediately: true } };
    const { id: taskId } = await send(client, say('', { ...ledger.message(1), ...polling }));
    await ledger.reached(1);
    expect((await client.getTask(id(taskId))).status?.state).toBe(TaskState.TASK_STATE_WORKING);
    ledger.open(1);
    await expect
      .poll(async () => (await client.getTask(id(taskId))).status?.state, { timeout: 10_000 })
      .toBe(TaskState.TASK_STATE_COMPLETED);
  });

  it('books a trip over four turns of one task', async () => {
    const client = await agent('trip-booking', transport);
    const asked = await send(client, say('I need a trip'));
    expect(asked.status?.state).toBe(TaskState.TASK_STATE_INPUT_REQUIRED);
    const offered = await send(client, say('Lisbon, 2027-05-01 to 2027-05-05', { taskId: asked.id }));
    expect(words(offered.status?.message)).toContain('1. Harbour Rooms, Lisbon');
    const toApprove = await send(client, say('2', { taskId: asked.id, contextId: asked.contextId }));
    expect(toApprove.status?.state).toBe(TaskState.TASK_STATE_AUTH_REQUIRED);
    const booked = await send(client, say('approve', { taskId: asked.id }));
    expect(booked.status?.state).toBe(TaskState.TASK_STATE_COMPLETED);
    expect(booked.history.filter(({ role }) => role === Role.ROLE_USER).map(words)).toEqual([
      'I need a trip',
      'Lisbon, 2027-05-01 to 2027-05-05',
      '2',
      'approve',
    ]);
    const [itinerary] = booked.artifacts;
    expect(itinerary!.parts[0]!.content).toMatchObject({ $case: 'data', value: { destination: 'Lisbon', nights: 4 } });
  });

  it('cancels a running task; its stream ends with that', async () => {
    const ledger = new Ledger(`${folder}/cancel-${transport}`);
    const client = await agent('ledger', transport);
    const stream = client.sendMessageStream(say('', ledger.message(1)));
    const { value } = await stream.next();
    const task = value!.payload!.value as Task;
    await ledger.reached(1);
    const canceled = await client.cancelTask({ ...id(task.id), metadata: undefined });
    expect(canceled.status?.state).toBe(TaskState.TASK_STATE_CANCELED);
    expect(stateOf((await all(stream)).at(-1)!)).toBe(TaskState.TASK_STATE_CANCELED);
    // Once more is no error, and changes nothing.
    expect(await client.cancelTask({ ...id(task.id), metadata: undefined })).toEqual(canceled);
  });

  it('leaves a stream, and the task goes on without it', async () => {
    const ledger = new Ledger(`${folder}/leave-${transport}`);
    const client = await agent('ledger', transport);
    const leaving = new AbortController();
    const stream = client.sendMessageStream(say('', ledger.message(1)), { signal: leaving.signal });
    const task = (await stream.next()).value!.payload!.value as Task;
    await ledger.reached(1);
    leaving.abort();
    await expect(all(stream)).rejects.toThrow();
    ledger.open(1);
    const end = (await all(client.resubscribeTask(id(task.id))).catch(() => [])).at(-1);
    const state = end ? stateOf(end) : (await client.getTask(id(task.id))).status?.state;
    expect(state).toBe(TaskState.TASK_STATE_COMPLETED);
  });

  it('shows as much of the history as it is asked for', async () => {
    const task = await send(echo, say('Hello'));
    expect((await echo.getTask({ ...id(task.id), historyLength: 0 })).history).toEqual([]);
    expect((await echo.getTask({ ...id(task.id), historyLength: 5 })).history).toHaveLength(1);
    const none = await send(echo, say('Hello', { configuration: { historyLength: 0 } }));
    expect(none.history).toEqual([]);
    await expect(echo.getTask({ ...id(task.id), historyLength: -1 })).rejects.toThrow('historyLength');
  });
});

describe.each(TRANSPORTS)('the official client lists tasks over %s', (transport) => {
  const contextId = crypto.randomUUID();
  let client: Client;
  let ids: string[];
  beforeAll(async () => {
    client = await agent('csv-report', transport);
    ids = [];
    for (let i = 0; i < 5; i++) ids.unshift((await send(client, say(`n\n${i}`, { contextId }))).id);
    ids.unshift((await send(client, say('"', { contextId }))).id);
  });

  it('newest first, page by page', async () => {
    const seen = [];
    let pageToken = '';
    do {
      const page = await client.listTasks(list({ contextId, pageSize: 4, pageToken }));
      expect(page).toMatchObject({ pageSize: 4, totalSize: 6 });
      seen.push(page.tasks.map((task) => task.id));
      pageToken = page.nextPageToken;
    } while (pageToken !== '');
    expect(seen).toEqual([ids.slice(0, 4), ids.slice(4)]);
  });

  it('by state, by time, with artifacts and history as asked', async () => {
    const rejected = await client.listTasks(list({ contextId, status: TaskState.TASK_STATE_REJECTED }));
    expect(rejected.tasks.map((task) => task.id)).toEqual([ids[0]]);
    const { status } = await client.getTask(id(ids[2]!));
    const since = await client.listTasks(list({ contextId, statusTimestampAfter: status!.timestamp }));
    expect(since.tasks.map((task) => task.id)).toEqual(ids.slice(0, 3));

    const [plain] = (await client.listTasks(list({ contextId, pageSize: 1, historyLength: 0 }))).tasks;
    expect(plain).toMatchObject({ artifacts: [], history: [] });
    const full = await client.listTasks(list({ contextId, includeArtifacts: true }));
    expect(full.tasks.map((task) => Task.toJSON(task))).toEqual(
      await Promise.all(ids.map(async (taskId) => Task.toJSON(await client.getTask(id(taskId))))),
    );
  });

  it('only of the agent that it asks', async () => {
    expect(await (await agent('echo', transport)).listTasks(list({ contextId }))).toMatchObject({
      ...{ tasks: [], totalSize: 0 },
    });
  });
});
