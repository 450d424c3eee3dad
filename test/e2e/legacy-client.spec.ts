import { randomBytes } from 'node:crypto';
import {
  type Message,
  type Part,
  type PushNotificationConfig,
  type Task,
  type TaskPushNotificationConfig,
  type TaskStatusUpdateEvent,
} from '@a2a-js/sdk-0.3';
import { A2AClient, type Client } from '@a2a-js/sdk-0.3/client';
import {
  ContentTypeNotSupportedError,
  PushNotificationNotSupportedError,
  TaskNotCancelableError,
  TaskNotFoundError,
  UnsupportedOperationError,
} from '@a2a-js/sdk-0.3/client';
import { beforeAll, describe, expect, it } from 'vitest';
import { useServers } from '../support/in-process-server.js';
import { Ledger } from '../support/ledger.js';
import { discoverLegacy, sayLegacy, sendLegacy, stateOfLegacy, wordsLegacy } from '../support/legacy-client.js';
import { all, TRANSPORTS } from '../support/official-client.js';
import { temporaryFolder } from '../support/temporary-folder.js';

const folder = temporaryFolder();
const servers = useServers(1, { secretKeys: [randomBytes(32)] });

describe.each(TRANSPORTS)('the JavaScript client of 0.3 over %s', (transport) => {
  const agent = (id: string): Promise<Client> => discoverLegacy(servers.url, id, transport);
  let echo: Client;
  beforeAll(async () => {
    echo = await agent('echo');
  });

  it('discovers an agent by its card', async () => {
    const card = await echo.getAgentCard();
    expect(card).toMatchObject({
      ...{ name: 'Echo', protocolVersion: '0.3.0', preferredTransport: 'JSONRPC' },
      capabilities: { streaming: true, pushNotifications: true },
      supportsAuthenticatedExtendedCard: false,
    });
    expect(card.additionalInterfaces?.map((entry) => entry.transport)).toContain(transport);
    expect(card.additionalInterfaces?.map(({ url }) => url)).toContain(card.url);
  });

  it('sets, reads, lists and deletes webhooks of a task that has ended', async () => {
    const { id } = await sendLegacy(echo, sayLegacy('push'));
    const hook = {
      url: 'https://webhook.invalid/',
      token: 't',
      authentication: { schemes: ['Bearer'], credentials: 'c' },
    };
    const expectShown = (shown: TaskPushNotificationConfig, configId: string) => {
      const { id: named, url, token, authentication } = shown.pushNotificationConfig;
      expect([shown.taskId, named, url, authentication?.schemes]).toEqual([id, configId, hook.url, ['Bearer']]);
      expect([token ?? '', authentication?.credentials ?? '']).toEqual(['', '']);
    };
    const named = (pushNotificationConfigId: string) => ({ id, pushNotificationConfigId });
    const set = (pushNotificationConfig: PushNotificationConfig) =>
      echo.setTaskPushNotificationConfig({ taskId: id, pushNotificationConfig });
    expectShown(await set({ ...hook, id: 'a' }), 'a');
    expectShown(await set(hook), id);
    expectShown(await echo.getTaskPushNotificationConfig(named('a')), 'a');
    const configs = await echo.listTaskPushNotificationConfig({ id });
    for (const [index, config] of ['a', id].sort().entries()) expectShown(configs[index]!, config);
    for (let i = 0; i < 2; i++) await echo.deleteTaskPushNotificationConfig(named('a'));
    expect(await echo.listTaskPushNotificationConfig({ id })).toHaveLength(1);
  });

  it('sends a webhook along with a message', async () => {
    const pushNotificationConfig = { id: 'mine', url: 'https://webhook.invalid/' };
    const { id } = await sendLegacy(echo, sayLegacy('push', { configuration: { pushNotificationConfig } }));
    const [config] = await echo.listTaskPushNotificationConfig({ id });
    expect(config).toMatchObject({ taskId: id, pushNotificationConfig });
  });

  it('sends a message and has the finished task as the answer', async () => {
    const params = sayLegacy('Hello', { contextId: `context-${transport}` });
    const task = await sendLegacy(echo, params);
    const { contextId } = params.message;
    expect(task).toMatchObject({ contextId, status: { state: 'completed', message: { role: 'agent', contextId } } });
    expect(wordsLegacy(task.status.message)).toBe('Hello');
    expect(task.history).toMatchObject([{ kind: 'message', role: 'user', messageId: params.message.messageId }]);
    expect(Date.parse(task.status.timestamp!)).toBeGreaterThan(0);
    expect(task.metadata).toEqual({ createdAt: expect.any(String), lastModified: expect.any(String) });
  });

  it('gets every kind of part back as it sent it', async () => {
    const parts: Part[] = [
      { kind: 'text', text: 'zwölf ☃ 👩‍🚀' },
      { kind: 'file', file: { bytes: 'AP8K', mimeType: 'application/octet-stream' } },
      { kind: 'file', file: { uri: 'https://example.com/x', mimeType: 'image/png' } },
      { kind: 'data', data: { n: 1.5, list: [], deep: { empty: {} } } },
    ];
    const message: Message = { kind: 'message', messageId: 'm', role: 'user', parts };
    expect((await sendLegacy(echo, { message })).status.message?.parts).toEqual(parts);
  });

  it('gets a message where the agent answers without a task', async () => {
    const greeter = await discoverLegacy(servers.url, 'greeter', transport);
    const answer = await greeter.sendMessage(sayLegacy('Hi'));
    expect(answer.kind).toBe('message');
    expect(wordsLegacy(answer as Message)).toBe('Hi there');
    expect((await all(greeter.sendMessageStream(sayLegacy('Hi')))).map(({ kind }) => kind)).toEqual(['message']);
  });

  it('streams a task from its start to its end, and learns which event is the last', async () => {
    const events = await all((await agent('csv-report')).sendMessageStream(sayLegacy('a,b\n1,2')));
    expect(events[0]).toMatchObject({ kind: 'task', history: [{ role: 'user' }] });
    expect(events.filter(({ kind }) => kind === 'artifact-update')).toHaveLength(4);
    const updates = events.filter((event): event is TaskStatusUpdateEvent => event.kind === 'status-update');
    expect(updates.at(-1)).toBe(events.at(-1));
    expect(updates.filter(({ final }) => final).map(({ status }) => status.state)).toEqual(['completed']);
  });

  it('sends without waiting, follows the task from two subscriptions, and both see the same to the end', async () => {
    const ledger = new Ledger(`${folder}/resubscribe-${transport}`);
    const client = await agent('ledger');
    const configuration = { blocking: false, acceptedOutputModes: [] };
    const started = await sendLegacy(client, sayLegacy('', { ...ledger.message(2), configuration }));
    expect(started.status.state).toBe('submitted');
    await ledger.reached(1);
    expect((await client.getTask({ id: started.id })).status.state).toBe('working');

    const subscriptions = [client.resubscribeTask({ id: started.id }), client.resubscribeTask({ id: started.id })];
    for (const snapshot of await Promise.all(subscriptions.map((stream) => stream.next()))) {
      expect(snapshot.value).toMatchObject({ kind: 'task', id: started.id, status: { state: 'working' } });
    }
    ledger.open(2);
    const [first, second] = await Promise.all(subscriptions.map((stream) => all(stream)));
    expect(first).toEqual(second);
    expect(stateOfLegacy(first!.at(-1)!)).toBe('completed');
    const task = await client.getTask({ id: started.id });
    expect(task.artifacts?.map(wordsLegacy)).toEqual(['1;2;']);
  });

  it('is given a task once that has ended, where it subscribes to it', async () => {
    const { id } = await sendLegacy(echo, sayLegacy('over'));
    expect(await all(echo.resubscribeTask({ id }))).toMatchObject([
      { kind: 'task', id, status: { state: 'completed' } },
    ]);
  });

  it('books a trip over four turns of one task', async () => {
    const client = await agent('trip-booking');
    const asked = await sendLegacy(client, sayLegacy('I need a trip'));
    expect(asked.status.state).toBe('input-required');
    const { id: taskId, contextId } = asked;
    await sendLegacy(client, sayLegacy('Lisbon, 2027-05-01 to 2027-05-05', { taskId }));
    const toApprove = await sendLegacy(client, sayLegacy('2', { taskId, contextId }));
    expect(toApprove.status.state).toBe('auth-required');
    const booked = await sendLegacy(client, sayLegacy('approve', { taskId }));
    expect(booked.status.state).toBe('completed');
    expect(booked.history?.filter(({ role }) => role === 'user').map(wordsLegacy)).toEqual([
      'I need a trip',
      'Lisbon, 2027-05-01 to 2027-05-05',
      '2',
      'approve',
    ]);
    expect(booked.artifacts?.[0]?.parts[0]).toMatchObject({ kind: 'data', data: { destination: 'Lisbon', nights: 4 } });
    expect((await client.getTask({ id: taskId, historyLength: 1 })).history).toEqual(booked.history?.slice(-1));
  });

  it('cancels a running task; its stream ends with that', async () => {
    const ledger = new Ledger(`${folder}/cancel-${transport}`);
    const client = await agent('ledger');
    const stream = client.sendMessageStream(sayLegacy('', ledger.message(1)));
    const { id } = (await stream.next()).value as Task;
    await ledger.reached(1);
    expect((await client.cancelTask({ id })).status.state).toBe('canceled');
    expect((await all(stream)).at(-1)).toMatchObject({
      kind: 'status-update',
      status: { state: 'canceled' },
      final: true,
    });
  });
});

describe.each(TRANSPORTS)("errors arrive over %s as the 0.3 SDK's own classes", (transport) => {
  const unknown = '01900000-0000-7000-8000-000000000000';
  let echo: Client;
  beforeAll(async () => {
    echo = await discoverLegacy(servers.url, 'echo', transport);
  });

  /** Over JSON-RPC the failure of a stream is an error with the SDK's class behind it. */
  async function cause(call: Promise<unknown>): Promise<unknown> {
    const error: unknown = await call.then(
      () => expect.unreachable(),
      (thrown: unknown) => thrown,
    );
    return error instanceof Error && error.cause instanceof TaskNotFoundError ? error.cause : error;
  }

  it('TaskNotFoundError for a task that is not there', async () => {
    await expect(echo.getTask({ id: unknown })).rejects.toThrow(TaskNotFoundError);
    await expect(echo.cancelTask({ id: unknown })).rejects.toThrow(TaskNotFoundError);
    await expect(echo.sendMessage(sayLegacy('on', { taskId: unknown }))).rejects.toThrow(TaskNotFoundError);
    expect(await cause(all(echo.resubscribeTask({ id: unknown })))).toBeInstanceOf(TaskNotFoundError);
  });

  it('TaskNotCancelableError for a task that has ended', async () => {
    const { id } = await sendLegacy(echo, sayLegacy('over'));
    await expect(echo.cancelTask({ id })).rejects.toThrow(TaskNotCancelableError);
  });

  it('ContentTypeNotSupportedError for a part that the agent does not take', async () => {
    const csv = await discoverLegacy(servers.url, 'csv-report', transport);
    const file = { bytes: 'AP8K', mimeType: 'image/png' };
    const message: Message = { kind: 'message', messageId: 'm', role: 'user', parts: [{ kind: 'file', file }] };
    const refused = csv.sendMessage({ message });
    // Over gRPC the client of 0.3 has no class for it, and says the status.
    await expect(refused).rejects.toThrow(
      transport === 'GRPC' ? /GRPC error for sendMessage! 3 / : ContentTypeNotSupportedError,
    );
  });

  it('PushNotificationNotSupportedError for every operation on webhooks, where the card says no', async () => {
    const greeter = await discoverLegacy(servers.url, 'greeter', transport);
    const id = '01900000-0000-7000-8000-000000000000';
    const named = { id, pushNotificationConfigId: 'c' };
    // The client itself looks into the card and asks nothing; its transport asks.
    const wire = greeter.transport;
    const options = { serviceParameters: { 'a2a-tenant': '/greeter' } };
    const pushNotificationConfig = { id: 'c', url: 'https://example.com/hook' };
    for (const call of [
      () => wire.setTaskPushNotificationConfig({ taskId: id, pushNotificationConfig }, options),
      () => wire.getTaskPushNotificationConfig(named, options),
      () => wire.listTaskPushNotificationConfig({ id }, options),
      () => wire.deleteTaskPushNotificationConfig(named, options),
    ]) {
      await expect(call()).rejects.toThrow(PushNotificationNotSupportedError);
    }
  });

  it('for the extended card of an agent that has none; gRPC has one method for both cards, and gives the public one', async () => {
    const asked = echo.transport.getExtendedAgentCard();
    if (transport === 'GRPC') expect((await asked).name).toBe('Echo');
    else await expect(asked).rejects.toThrow(UnsupportedOperationError);
  });

  it('a malformed request, with the field in its text', async () => {
    const message: Message = { kind: 'message', messageId: 'm', role: 'user', parts: [] };
    await expect(echo.sendMessage({ message })).rejects.toThrow(
      transport === 'JSONRPC' ? 'message.parts' : 'message.content',
    );
  });
});

describe('the older class A2AClient of the 0.3 SDK', () => {
  it('sends, streams, reads, cancels and subscribes over JSON-RPC', async () => {
    const client = await A2AClient.fromCardUrl(`${servers.url}/agents/echo/.well-known/agent-card.json`);
    const answer = await client.sendMessage(sayLegacy('Hello'));
    if ('error' in answer) throw new Error(answer.error.message);
    const { id } = answer.result as Task;
    const read = await client.getTask({ id });
    expect(read).toMatchObject({ jsonrpc: '2.0', result: { kind: 'task', id, status: { state: 'completed' } } });
    expect((await all(client.sendMessageStream(sayLegacy('Hello')))).at(-1)).toMatchObject({ final: true });
    expect(await all(client.resubscribeTask({ id }))).toMatchObject([{ kind: 'task', id }]);
    expect(await client.cancelTask({ id })).toMatchObject({ error: { code: -32002 } });
    const set = { taskId: id, pushNotificationConfig: { url: 'https://webhook.invalid/' } };
    expect(await client.setTaskPushNotificationConfig(set)).toMatchObject({ result: { taskId: id } });
    expect(await client.getTaskPushNotificationConfig({ id })).toMatchObject({ result: set });
  });
});
