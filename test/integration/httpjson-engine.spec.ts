import { describe, expect, it } from 'vitest';
import { HttpJsonClient } from '../support/http-json.js';
import { useServers } from '../support/in-process-server.js';
import { stateOf, upTo } from '../support/sse-client.js';

const servers = useServers(1);

function agent(id: string): HttpJsonClient {
  return new HttpJsonClient(`${servers.url}/agents/${id}`);
}

const UNKNOWN = '01900000-0000-7000-8000-000000000000';

describe('over HTTP+JSON', () => {
  it('a sent message is answered with the task that it made, as JSON-RPC shows it too', async () => {
    const task = await agent('echo').send('hello');
    expect(task.status?.state).toBe('TASK_STATE_COMPLETED');
    expect(await agent('echo').get(task.id!)).toEqual(task);
    expect(await servers.rpc('echo').get(task.id!)).toEqual(task);
  });

  it('a message that makes no task is answered with a message', async () => {
    const body = { message: { messageId: 'm', role: 'ROLE_USER', parts: [{ text: 'Hi' }] } };
    const answer = await agent('greeter').request('POST', '/message:send', { body });
    expect(answer.json).toMatchObject({ message: { role: 'ROLE_AGENT', parts: [{ text: 'Hi there' }] } });
  });

  it('a message can be followed from its acceptance to its end, and read again from any event on', async () => {
    const stream = await agent('burst').stream({ data: { chunks: 20 } });
    const events = await stream.all();
    expect(events.map(({ id }) => id)).toEqual(upTo(events.length));
    expect(events[0]!.response.task?.status?.state).toMatch(/SUBMITTED|WORKING/);
    expect(stateOf(events.at(-1)!)).toBe('TASK_STATE_COMPLETED');

    const { id } = events[0]!.response.task!;
    for (const after of [0, 7, events.length - 1]) {
      const again = await agent('burst').subscribe(id!, after);
      expect(await again.all()).toEqual(events.slice(after));
    }
    await expect(agent('burst').subscribe(id!)).rejects.toMatchObject({
      httpStatus: 400,
      reason: 'UNSUPPORTED_OPERATION',
    });
  });

  it('a subscription begins with the task as it stands, and tells of its cancellation', async () => {
    const client = agent('trip-booking');
    const { id, status } = await client.send('I need a trip');
    expect(status?.state).toBe('TASK_STATE_INPUT_REQUIRED');
    const [posted, got] = [await client.subscribe(id!), await client.open('GET', `/tasks/${id}:subscribe`)];
    const first = (await posted.next())!;
    expect(first.response.task).toMatchObject({ id, status: { state: 'TASK_STATE_INPUT_REQUIRED' } });
    expect(await got.next()).toEqual(first);

    expect((await client.cancel(id!)).status?.state).toBe('TASK_STATE_CANCELED');
    for (const stream of [posted, got]) {
      const events = await stream.all();
      expect(events.map((event) => event.id)).toEqual([first.id, first.id + 1]);
      expect(stateOf(events[1]!)).toBe('TASK_STATE_CANCELED');
    }
  });

  it('an ended task is not canceled, and one that is not there is not found', async () => {
    const { id } = await agent('echo').send('hello');
    await expect(agent('echo').cancel(id!)).rejects.toMatchObject({
      httpStatus: 400,
      status: 'FAILED_PRECONDITION',
      reason: 'TASK_NOT_CANCELABLE',
    });
    const echo = agent('echo');
    for (const call of [() => echo.get(UNKNOWN), () => echo.cancel(UNKNOWN), () => echo.subscribe(UNKNOWN)]) {
      await expect(call()).rejects.toMatchObject({ httpStatus: 404, status: 'NOT_FOUND', reason: 'TASK_NOT_FOUND' });
    }
    await expect(agent('burst').get(id!)).rejects.toMatchObject({ httpStatus: 404 });
  });

  it('a list has its filters, its order and its pages', async () => {
    const client = new HttpJsonClient(`${servers.url}/agents/burst/list-tenant`);
    const made: string[] = [];
    for (const chunks of [1, 2, 3]) made.unshift((await client.send({ data: { chunks } })).id!);

    const first = await client.list({ pageSize: '2', status: 'TASK_STATE_COMPLETED', includeArtifacts: 'true' });
    expect(first).toMatchObject({ totalSize: 3, pageSize: 2 });
    expect(first.tasks!.every(({ artifacts }) => artifacts!.length > 0)).toBe(true);
    const second = await client.list({
      page_size: '2',
      status: 'TASK_STATE_COMPLETED',
      includeArtifacts: 'true',
      pageToken: first.nextPageToken!,
    });
    expect([...first.tasks!, ...second.tasks!].map(({ id }) => id)).toEqual(made);
    expect(second.nextPageToken).toBe('');

    const since = first.tasks![0]!.status!.timestamp!;
    const recent = await client.list({ lastUpdatedAfter: since });
    expect(recent.tasks!.map(({ id }) => id)).toContain(made[0]);
    expect((await client.list({ statusTimestampAfter: '2999-01-01T00:00:00Z' })).tasks).toEqual([]);
    expect((await client.list({ status: 'TASK_STATE_FAILED' })).totalSize).toBe(0);
    await expect(client.list({ pageSize: '101' })).rejects.toMatchObject({ httpStatus: 400, fields: ['pageSize'] });
  });

  it('the same call with the same idempotency key gives the same task, also over JSON-RPC', async () => {
    const message = { messageId: 'once', role: 'ROLE_USER' as const, parts: [{ text: 'once' }] };
    const options = { headers: { 'idempotency-key': 'http-json' } };
    const task = await agent('echo').send(message, {}, options);
    expect(await agent('echo').send(message, {}, options)).toEqual(task);
    expect(await servers.rpc('echo').send(message, {}, options)).toEqual(task);
  });

  it.each([
    ['POST', '/pushNotificationConfigs', { url: 'https://example.com/' }],
    ['GET', '/pushNotificationConfigs/', undefined],
    ['GET', '/pushNotificationConfigs/p-1', undefined],
    ['DELETE', '/pushNotificationConfigs/p-1', undefined],
  ] as const)('%s %s says that webhooks are not supported, without a secret key', async (method, path, body) => {
    const refused = agent('echo').call(method, `/tasks/${UNKNOWN}${path}`, { body });
    await expect(refused).rejects.toMatchObject({ httpStatus: 400, reason: 'PUSH_NOTIFICATION_NOT_SUPPORTED' });
  });

  it('there is no extended agent card', async () => {
    const refused = agent('echo').call('GET', '/extendedAgentCard');
    await expect(refused).rejects.toMatchObject({ httpStatus: 400, reason: 'UNSUPPORTED_OPERATION' });
  });
});
