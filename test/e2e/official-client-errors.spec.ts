import { SendMessageRequest } from '@a2a-js/sdk';
import { type Client, ServiceParameters, withA2AExtensions, withA2AVersion } from '@a2a-js/sdk/client';
import {
  type A2AError,
  ContentTypeNotSupportedError,
  ExtensionSupportRequiredError,
  PushNotificationNotSupportedError,
  TaskNotCancelableError,
  TaskNotFoundError,
  UnsupportedOperationError,
  VersionNotSupportedError,
} from '@a2a-js/sdk/errors';
import { beforeAll, describe, expect, it } from 'vitest';
import { useServers } from '../support/in-process-server.js';
import {
  all,
  discover,
  id,
  IN_1_0,
  list,
  say,
  send,
  TRANSPORTS,
  type TransportName,
  words,
} from '../support/official-client.js';

const servers = useServers(1);

function agent(name: string, transport: TransportName): Promise<Client> {
  return discover(`${servers.url}/agents/${name}`, transport);
}

describe.each(TRANSPORTS)("errors arrive over %s as the SDK's own classes", (transport) => {
  const unknown = '01900000-0000-7000-8000-000000000000';
  let echo: Client;
  beforeAll(async () => {
    echo = await agent('echo', transport);
  });

  it('TaskNotFoundError for a task that is not there, whatever is asked of it', async () => {
    await expect(echo.getTask(id(unknown))).rejects.toThrow(TaskNotFoundError);
    await expect(echo.cancelTask({ ...id('x'), metadata: undefined })).rejects.toThrow(TaskNotFoundError);
    await expect(all(echo.resubscribeTask(id(unknown)))).rejects.toThrow(TaskNotFoundError);
    await expect(echo.sendMessage(say('on', { taskId: unknown }))).rejects.toThrow(TaskNotFoundError);
    await expect(all(echo.sendMessageStream(say('on', { taskId: unknown })))).rejects.toThrow(TaskNotFoundError);
  });

  it('for a task that has ended: TaskNotCancelableError, and UnsupportedOperationError for messages and streams', async () => {
    const task = await send(echo, say('over'));
    await expect(echo.cancelTask({ ...id(task.id), metadata: undefined })).rejects.toThrow(TaskNotCancelableError);
    await expect(echo.sendMessage(say('more', { taskId: task.id }))).rejects.toThrow(UnsupportedOperationError);
    await expect(all(echo.resubscribeTask(id(task.id)))).rejects.toThrow(UnsupportedOperationError);
  });

  it('ContentTypeNotSupportedError for a part that the agent does not take', async () => {
    const csv = await agent('csv-report', transport);
    const refused = csv.sendMessage(say('a', { mediaType: 'image/png' }));
    await expect(refused).rejects.toThrow(ContentTypeNotSupportedError);
    const metadata = { mediaType: 'image/png' };
    await expect(refused).rejects.toMatchObject(transport === 'JSONRPC' ? { data: [{ metadata }] } : { metadata });
  });

  it('PushNotificationNotSupportedError for every operation on webhooks at a server without a secret key', async () => {
    const task = await send(echo, say('push'));
    const config = {
      ...{ tenant: '', id: 'c', taskId: task.id, url: 'https://example.com/hook', token: '' },
      authentication: undefined,
    };
    const one = { tenant: '', id: 'c', taskId: task.id };
    const page = { tenant: '', taskId: task.id, pageSize: 1, pageToken: '' };
    // The client itself looks into the card and asks nothing; its transport asks.
    const { transport: wire } = echo;
    for (const call of [
      () => wire.createTaskPushNotificationConfig(config, IN_1_0),
      () => wire.getTaskPushNotificationConfig(one, IN_1_0),
      () => wire.listTaskPushNotificationConfig(page, IN_1_0),
      () => wire.deleteTaskPushNotificationConfig(one, IN_1_0),
    ]) {
      await expect(call()).rejects.toThrow(PushNotificationNotSupportedError);
    }
    await expect(echo.deleteTaskPushNotificationConfig(one)).rejects.toThrow(PushNotificationNotSupportedError);
    const taskPushNotificationConfig = { url: 'https://example.com/hook' };
    await expect(echo.sendMessage(say('x', { configuration: { taskPushNotificationConfig } }))).rejects.toThrow(
      PushNotificationNotSupportedError,
    );
  });

  it('UnsupportedOperationError for the extended card of an agent that has none', async () => {
    const refused = echo.transport.getExtendedAgentCard({ tenant: '' }, IN_1_0);
    await expect(refused).rejects.toThrow(UnsupportedOperationError);
  });

  it('VersionNotSupportedError, whatever is asked, for a version that is not spoken', async () => {
    const options = { serviceParameters: ServiceParameters.create(withA2AVersion('99.0')) };
    // The client itself puts its own version in; its transport sends what it is given.
    const { transport: wire } = echo;
    for (const call of [
      () => wire.sendMessage(say('x'), options),
      () => all(wire.sendMessageStream(say('x'), options)),
      () => wire.getTask(id(unknown), options),
      () => wire.listTasks(list(), options),
      () => all(wire.resubscribeTask(id(unknown), options)),
    ]) {
      await expect(call()).rejects.toThrow(VersionNotSupportedError);
    }
  });

  it('a malformed request by the code of the binding, with the field in its text', async () => {
    const refused = echo.sendMessage(SendMessageRequest.fromJSON({ message: { messageId: 'm', role: 'ROLE_USER' } }));
    const error: A2AError = await refused.then(
      () => expect.unreachable(),
      (thrown: A2AError) => thrown,
    );
    expect(error.message).toContain('message.parts must have at least one element');
    const code = { JSONRPC: { envelopeCode: -32602 }, 'HTTP+JSON': { statusCode: 400 }, GRPC: { status: 3 } };
    expect(error).toMatchObject(code[transport]);
  });
});

describe.each(TRANSPORTS)('the official client names extensions over %s', (transport) => {
  const asking = (...uris: string[]) => ({
    serviceParameters: ServiceParameters.create(withA2AExtensions(...uris)),
  });

  it('and the agent learns of those it knows', async () => {
    const greeter = await agent('greeter', transport);
    const task = await send(greeter, say('work'), asking('https://example.com/warm', 'https://example.com/unknown'));
    expect(task.status!.message!.parts[0]!.content!.value).toEqual({ extensions: ['https://example.com/warm'] });
  });

  it('and is refused by an agent whose required extension it does not name', async () => {
    const strict = await agent('strict', transport);
    await expect(strict.sendMessage(say('x'))).rejects.toThrow(ExtensionSupportRequiredError);
    const task = await send(strict, say('x'), asking('https://example.com/strict'));
    expect(words(task.status?.message)).toBe('You know how to ask');
  });
});
