import { randomUUID } from 'node:crypto';
import { create, fromJson, toJson } from '@bufbuild/protobuf';
import { ValueSchema } from '@bufbuild/protobuf/wkt';
import { status } from '@grpc/grpc-js';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Message, MessageSchema, Role, type StreamResponse, type Task, TaskSchema, TaskState } from '#protocol';
import { GrpcClient } from '../support/grpc-client.js';
import { useServers } from '../support/in-process-server.js';

const servers = useServers(1);
let client: GrpcClient;
beforeAll(() => {
  client = new GrpcClient(servers.grpc);
});
afterAll(() => client.close());

function say(text: string): Message {
  const parts = [{ content: { case: 'text' as const, value: text } }];
  return create(MessageSchema, { messageId: randomUUID(), role: Role.USER, parts });
}

function burst(chunks: number): Message {
  const value = fromJson(ValueSchema, { chunks });
  return create(MessageSchema, {
    messageId: randomUUID(),
    role: Role.USER,
    parts: [{ content: { case: 'data', value } }],
  });
}

async function send(message: Message, options?: Parameters<GrpcClient['call']>[2]): Promise<Task> {
  const { payload } = (await client.call('sendMessage', { message, tenant: '/echo' }, options)).message;
  if (payload.case !== 'task') throw new Error('the answer has no task');
  return payload.value;
}

function stateOf({ payload }: StreamResponse): TaskState | undefined {
  return payload.case === 'task' || payload.case === 'statusUpdate' ? payload.value.status?.state : undefined;
}

describe('the server over gRPC', () => {
  it('runs a task, and shows it like JSON-RPC does', async () => {
    const task = await send(say('Hello'));
    expect(task.status?.state).toBe(TaskState.COMPLETED);

    const { message: read } = await client.call('getTask', { id: task.id, tenant: '/echo' });
    expect(read).toEqual(task);
    expect(toJson(TaskSchema, read)).toMatchObject(await servers.rpc('echo').get(task.id));
    const { message: list } = await client.call('listTasks', { contextId: task.contextId, tenant: '/echo' });
    expect(list.tasks.map(({ id }) => id)).toEqual([task.id]);
  });

  it('gives the same task for the same key, over either binding', async () => {
    const message = say('Once');
    const task = await send(message, { metadata: { 'idempotency-key': message.messageId } });
    const again = await servers
      .rpc('echo')
      .send(toJson(MessageSchema, message), {}, { headers: { 'idempotency-key': message.messageId } });
    expect(again.id).toBe(task.id);
  });

  it('streams every event once, and the rest of them to a client that counts and comes back', async () => {
    const stream = client.open('sendStreamingMessage', { message: burst(20), tenant: '/burst' });
    const all = await stream.all();
    const first = Number(stream.headers.get('event-id')[0]);
    expect(stateOf(all.at(-1)!)).toBe(TaskState.COMPLETED);
    expect(stream.trailers.get('last-event-id')).toEqual([String(first + all.length - 1)]);

    const id = all[0]!.payload.case === 'task' ? all[0]!.payload.value.id : '';
    const taken = 7;
    const metadata = { 'last-event-id': String(first + taken - 1) };
    const resumed = client.open('subscribeToTask', { id, tenant: '/burst' }, { metadata });
    expect(await resumed.all()).toEqual(all.slice(taken));
    expect(resumed.headers.get('event-id')).toEqual([String(first + taken)]);
  });

  it('tells what cannot be done like every binding', async () => {
    const task = await send(say('Bye'));
    const id = task.id;
    await expect(client.call('getTask', { id, tenant: '/burst' })).rejects.toMatchObject({
      code: status.NOT_FOUND,
      reason: 'TASK_NOT_FOUND',
    });
    await expect(client.call('cancelTask', { id, tenant: '/echo' })).rejects.toMatchObject({
      code: status.FAILED_PRECONDITION,
      reason: 'TASK_NOT_CANCELABLE',
    });
    await expect(client.open('subscribeToTask', { id, tenant: '/echo' }).next()).rejects.toMatchObject({
      code: status.FAILED_PRECONDITION,
      reason: 'UNSUPPORTED_OPERATION',
    });
    await expect(client.call('getExtendedAgentCard', { tenant: '/echo' })).rejects.toMatchObject({
      code: status.FAILED_PRECONDITION,
    });
    for (const operation of ['createTaskPushNotificationConfig', 'listTaskPushNotificationConfigs'] as const) {
      await expect(client.call(operation, { taskId: id, url: 'https://h/', tenant: '/echo' })).rejects.toMatchObject({
        code: status.FAILED_PRECONDITION,
        reason: 'PUSH_NOTIFICATION_NOT_SUPPORTED',
      });
    }
  });
});
