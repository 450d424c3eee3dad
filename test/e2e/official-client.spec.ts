import {
  type ListTasksRequest,
  Message,
  Role,
  SendMessageRequest,
  type StreamResponse,
  Task,
  TaskState,
} from '@a2a-js/sdk';
import {
  type Client,
  ClientFactory,
  type RequestOptions,
  ServiceParameters,
  withA2AExtensions,
  withA2AVersion,
} from '@a2a-js/sdk/client';
import {
  ContentTypeNotSupportedError,
  ExtensionSupportRequiredError,
  RequestMalformedError,
  PushNotificationNotSupportedError,
  TaskNotCancelableError,
  TaskNotFoundError,
  UnsupportedOperationError,
} from '@a2a-js/sdk/errors';
import { beforeAll, describe, expect, it } from 'vitest';
import { useServers } from '../support/in-process-server.js';
import { Ledger } from '../support/ledger.js';
import { temporaryFolder } from '../support/temporary-folder.js';

const folder = temporaryFolder();
const servers = useServers(1);

/** Discovers an agent by its card, as the SDK's users do. */
function discover(agent: string): Promise<Client> {
  // The SDK resolves the card's path against the base, so it needs the slash at its end.
  return new ClientFactory().createFromUrl(`${servers.url}/agents/${agent}/`);
}

interface Say {
  readonly taskId?: string;
  readonly contextId?: string;
  readonly data?: object;
  readonly mediaType?: string;
  readonly configuration?: object;
  readonly metadata?: object;
}

function say(text: string, { taskId, contextId, data, mediaType, ...rest }: Say = {}): SendMessageRequest {
  const part = data ? { data } : { text, mediaType };
  const message = { messageId: crypto.randomUUID(), role: 'ROLE_USER', parts: [part], taskId, contextId };
  return SendMessageRequest.fromJSON({ message, ...rest });
}

function isTask(result: Message | Task): result is Task {
  return 'status' in result;
}

async function send(client: Client, request: SendMessageRequest, options?: RequestOptions): Promise<Task> {
  const result = await client.sendMessage(request, options);
  if (!isTask(result)) throw new Error('the answer is no task');
  return result;
}

function words(message: Message | undefined): string {
  return (message?.parts ?? []).map(({ content }) => (content?.$case === 'text' ? content.value : '')).join('');
}

async function all(stream: AsyncIterable<StreamResponse>): Promise<StreamResponse[]> {
  const events = [];
  for await (const event of stream) events.push(event);
  return events;
}

function stateOf({ payload }: StreamResponse): TaskState | undefined {
  return payload?.$case === 'task' || payload?.$case === 'statusUpdate' ? payload.value.status?.state : undefined;
}

/** What the client adds to each call of its transport. */
const IN_1_0 = { serviceParameters: ServiceParameters.create(withA2AVersion('1.0')) };

const id = (taskId: string) => ({ id: taskId, tenant: '' });

describe('the official JavaScript client', () => {
  let echo: Client;
  beforeAll(async () => {
    echo = await discover('echo');
  });

  it('discovers the default agent at the root and each agent below its own address', async () => {
    const root = await new ClientFactory().createFromUrl(servers.url);
    expect(await root.getAgentCard()).toMatchObject({
      name: 'Echo',
      supportedInterfaces: [{ url: servers.url, protocolBinding: 'JSONRPC', protocolVersion: '1.0' }],
      capabilities: { streaming: true, pushNotifications: false, extendedAgentCard: false },
    });
    expect(words((await send(root, say('root'))).status?.message)).toBe('root');
    expect(root.protocolVersion).toBe('1.0');
    expect((await (await discover('flaky')).getAgentCard()).name).toBe('Flaky');
  });

  it('sends a message and has the finished task as the answer', async () => {
    const request = say('Hello', { contextId: 'my-context' });
    const task = await send(echo, request);
    expect(task).toMatchObject({ contextId: 'my-context', status: { state: TaskState.TASK_STATE_COMPLETED } });
    expect(task.status?.message).toMatchObject({ role: Role.ROLE_AGENT, taskId: task.id, contextId: 'my-context' });
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
    const greeter = await discover('greeter');
    const answer = await greeter.sendMessage(say('Hi'));
    expect(isTask(answer)).toBe(false);
    expect(words(answer as Message)).toBe('Hi there');
    const streamed = await all(greeter.sendMessageStream(say('Hi')));
    expect(streamed.map(({ payload }) => payload?.$case)).toEqual(['message']);
    const { totalSize } = await greeter.listTasks(list());
    expect(totalSize).toBe(0);
  });

  it('streams a task from its start to its end', async () => {
    const csv = await discover('csv-report');
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
    const ledger = new Ledger(`${folder}/resubscribe`);
    const client = await discover('ledger');
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
    expect(task.artifacts.map(({ parts }) => words({ parts } as Message))).toEqual(['1;2;']);
  });

  it('books a trip over four turns of one task', async () => {
    const client = await discover('trip-booking');
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
    const ledger = new Ledger(`${folder}/cancel`);
    const client = await discover('ledger');
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

  it('shows as much of the history as it is asked for', async () => {
    const task = await send(echo, say('Hello'));
    expect((await echo.getTask({ ...id(task.id), historyLength: 0 })).history).toEqual([]);
    expect((await echo.getTask({ ...id(task.id), historyLength: 5 })).history).toHaveLength(1);
    const none = await send(echo, say('Hello', { configuration: { historyLength: 0 } }));
    expect(none.history).toEqual([]);
    await expect(echo.getTask({ ...id(task.id), historyLength: -1 })).rejects.toMatchObject({ envelopeCode: -32602 });
  });
});

function list(filter: Partial<ListTasksRequest> = {}): ListTasksRequest {
  const everything = { tenant: '', contextId: '', status: TaskState.TASK_STATE_UNSPECIFIED, pageToken: '' };
  return { ...everything, statusTimestampAfter: undefined, ...filter };
}

describe('the official client lists tasks', () => {
  const contextId = crypto.randomUUID();
  let client: Client;
  let ids: string[];
  beforeAll(async () => {
    client = await discover('csv-report');
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
    expect(await (await discover('echo')).listTasks(list({ contextId }))).toMatchObject({ tasks: [], totalSize: 0 });
  });
});

describe("errors arrive as the SDK's own classes", () => {
  const unknown = '01900000-0000-7000-8000-000000000000';
  let echo: Client;
  beforeAll(async () => {
    echo = await discover('echo');
  });

  it('TaskNotFoundError for a task that is not there, whatever is asked of it', async () => {
    await expect(echo.getTask(id(unknown))).rejects.toThrow(TaskNotFoundError);
    await expect(echo.cancelTask({ ...id('x'), metadata: undefined })).rejects.toThrow(TaskNotFoundError);
    await expect(all(echo.resubscribeTask(id(unknown)))).rejects.toThrow(TaskNotFoundError);
    await expect(echo.sendMessage(say('on', { taskId: unknown }))).rejects.toThrow(TaskNotFoundError);
  });

  it('for a task that has ended: TaskNotCancelableError, and UnsupportedOperationError for messages and streams', async () => {
    const task = await send(echo, say('over'));
    await expect(echo.cancelTask({ ...id(task.id), metadata: undefined })).rejects.toThrow(TaskNotCancelableError);
    await expect(echo.sendMessage(say('more', { taskId: task.id }))).rejects.toThrow(UnsupportedOperationError);
    await expect(all(echo.resubscribeTask(id(task.id)))).rejects.toThrow(UnsupportedOperationError);
  });

  it('ContentTypeNotSupportedError for a part that the agent does not take', async () => {
    const csv = await discover('csv-report');
    const refused = csv.sendMessage(say('a', { mediaType: 'image/png' }));
    await expect(refused).rejects.toThrow(ContentTypeNotSupportedError);
    await expect(refused).rejects.toMatchObject({ data: [{ metadata: { mediaType: 'image/png' } }] });
  });

  it('PushNotificationNotSupportedError for every operation on push configs', async () => {
    const task = await send(echo, say('push'));
    const config = {
      ...{ tenant: '', id: 'c', taskId: task.id, url: 'https://example.com/hook', token: '' },
      authentication: undefined,
    };
    const one = { tenant: '', id: 'c', taskId: task.id };
    const page = { tenant: '', taskId: task.id, pageSize: 1, pageToken: '' };
    // The client itself looks into the card and asks nothing; its transport asks.
    const { transport } = echo;
    for (const call of [
      () => transport.createTaskPushNotificationConfig(config, IN_1_0),
      () => transport.getTaskPushNotificationConfig(one, IN_1_0),
      () => transport.listTaskPushNotificationConfig(page, IN_1_0),
      () => transport.deleteTaskPushNotificationConfig(one, IN_1_0),
    ]) {
      await expect(call()).rejects.toThrow(PushNotificationNotSupportedError);
    }
    const taskPushNotificationConfig = { url: 'https://example.com/hook' };
    await expect(echo.sendMessage(say('x', { configuration: { taskPushNotificationConfig } }))).rejects.toThrow(
      PushNotificationNotSupportedError,
    );
  });

  it('UnsupportedOperationError for the extended card of an agent that has none', async () => {
    const refused = echo.transport.getExtendedAgentCard({ tenant: '' }, IN_1_0);
    await expect(refused).rejects.toThrow(UnsupportedOperationError);
  });

  it('RequestMalformedError for a malformed request', async () => {
    const refused = echo.sendMessage(SendMessageRequest.fromJSON({ message: { messageId: 'm', role: 'ROLE_USER' } }));
    await expect(refused).rejects.toThrow(RequestMalformedError);
    await expect(refused).rejects.toMatchObject({ data: [{ fieldViolations: [{ field: 'message.parts' }] }] });
  });
});

describe('the official client names extensions', () => {
  const asking = (...uris: string[]) => ({
    serviceParameters: ServiceParameters.create(withA2AExtensions(...uris)),
  });

  it('and the agent learns of those it knows', async () => {
    const greeter = await discover('greeter');
    const task = await send(greeter, say('work'), asking('https://example.com/warm', 'https://example.com/unknown'));
    expect(task.status!.message!.parts[0]!.content!.value).toEqual({ extensions: ['https://example.com/warm'] });
  });

  it('and is refused by an agent whose required extension it does not name', async () => {
    const strict = await discover('strict');
    await expect(strict.sendMessage(say('x'))).rejects.toThrow(ExtensionSupportRequiredError);
    const task = await send(strict, say('x'), asking('https://example.com/strict'));
    expect(words(task.status?.message)).toBe('You know how to ask');
  });
});
