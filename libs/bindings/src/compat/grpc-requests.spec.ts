import { create, type DescMessage, fromJson, type JsonObject, type MessageShape, toJson } from '@bufbuild/protobuf';
import { describe, expect, it } from 'vitest';
import {
  CancelTaskRequestSchema,
  DeleteTaskPushNotificationConfigRequestSchema,
  GetTaskPushNotificationConfigRequestSchema,
  GetTaskRequestSchema,
  ListTaskPushNotificationConfigsRequestSchema,
  ListTaskPushNotificationConfigsResponseSchema,
  SendMessageRequestSchema,
  SubscribeToTaskRequestSchema,
  TaskPushNotificationConfigSchema,
  v03,
} from '#protocol';
import {
  cancelTaskFrom03,
  createPushConfigFrom03,
  deletePushConfigFrom03,
  getPushConfigFrom03,
  getTaskFrom03,
  listPushConfigsFrom03,
  pushConfigsTo03,
  sendMessageFrom03,
  subscribeFrom03,
} from './grpc-requests.js';

/** Reads the JSON of one schema, translates it, and shows the other schema's JSON. */
function translator<From extends DescMessage, To extends DescMessage>(
  from: From,
  translate: (request: MessageShape<From>) => MessageShape<To>,
  to: To,
): (json: JsonObject) => unknown {
  return (json) => toJson(to, translate(fromJson(from, json)));
}

const send = translator(v03.SendMessageRequestSchema, sendMessageFrom03, SendMessageRequestSchema);
const getTask = translator(v03.GetTaskRequestSchema, getTaskFrom03, GetTaskRequestSchema);
const cancel = translator(v03.CancelTaskRequestSchema, cancelTaskFrom03, CancelTaskRequestSchema);
const subscribe = translator(v03.TaskSubscriptionRequestSchema, subscribeFrom03, SubscribeToTaskRequestSchema);
const createConfig = translator(
  v03.CreateTaskPushNotificationConfigRequestSchema,
  createPushConfigFrom03,
  TaskPushNotificationConfigSchema,
);
const getConfig = translator(
  v03.GetTaskPushNotificationConfigRequestSchema,
  getPushConfigFrom03,
  GetTaskPushNotificationConfigRequestSchema,
);
const deleteConfig = translator(
  v03.DeleteTaskPushNotificationConfigRequestSchema,
  deletePushConfigFrom03,
  DeleteTaskPushNotificationConfigRequestSchema,
);
const listConfigs = translator(
  v03.ListTaskPushNotificationConfigRequestSchema,
  listPushConfigsFrom03,
  ListTaskPushNotificationConfigsRequestSchema,
);

describe('a request of a2a.v1', () => {
  it('to send becomes one of 1.0', () => {
    const message = { messageId: 'm', role: 'ROLE_USER' };
    expect(send({ message: { ...message, content: [{ text: 'x' }] }, metadata: { k: 1 } })).toEqual({
      message: { ...message, parts: [{ text: 'x' }] },
      metadata: { k: 1 },
    });
    expect(send({})).toEqual({});
  });

  it.each([
    ['waits when it is blocking', { blocking: true }, {}],
    ['does not wait when it is not', {}, { returnImmediately: true }],
    ['limits the history', { blocking: true, historyLength: 3 }, { historyLength: 3 }],
    ['takes no limit for none', { blocking: true, historyLength: 0 }, {}],
    [
      'keeps a limit that makes no sense, for the check that names it',
      { blocking: true, historyLength: -1 },
      { historyLength: -1 },
    ],
    [
      'brings modes and a webhook',
      {
        blocking: true,
        acceptedOutputModes: ['text/plain'],
        pushNotification: {
          ...{ id: 'p', url: 'https://example.com', token: 's' },
          authentication: { schemes: ['Bearer', 'Basic'], credentials: 'c' },
        },
      },
      {
        acceptedOutputModes: ['text/plain'],
        taskPushNotificationConfig: {
          ...{ id: 'p', url: 'https://example.com', token: 's' },
          authentication: { scheme: 'Bearer', credentials: 'c' },
        },
      },
    ],
  ])('whose configuration is there %s', (_, configuration, expected) => {
    expect(send({ configuration })).toEqual({ configuration: expected });
  });

  it('names its task as a resource', () => {
    expect(getTask({ name: 'tasks/7', historyLength: 2 })).toEqual({ id: '7', historyLength: 2 });
    expect(getTask({ name: 'tasks/7' })).toEqual({ id: '7' });
    expect(cancel({ name: 'tasks/7' })).toEqual({ id: '7' });
    expect(subscribe({ name: 'tasks/7' })).toEqual({ id: '7' });
  });

  it('names its webhook as a resource below the task', () => {
    const name = 'tasks/7/pushNotificationConfigs/p';
    expect(getConfig({ name })).toEqual({ taskId: '7', id: 'p' });
    expect(deleteConfig({ name })).toEqual({ taskId: '7', id: 'p' });
    expect(getConfig({ name: `${name}/q` })).toEqual({ taskId: '7', id: 'p/q' });
    expect(listConfigs({ parent: 'tasks/7', pageSize: 5, pageToken: 'x' })).toEqual({
      ...{ taskId: '7', pageSize: 5, pageToken: 'x' },
    });
  });

  it('registers a webhook under the id beside it, else under its own', () => {
    const config = { pushNotificationConfig: { id: 'own', url: 'https://example.com' } };
    expect(createConfig({ parent: 'tasks/7', configId: 'p', config })).toEqual({
      ...{ taskId: '7', id: 'p', url: 'https://example.com' },
    });
    expect(createConfig({ parent: 'tasks/7', config })).toMatchObject({ id: 'own' });
    expect(createConfig({ parent: 'tasks/7', configId: 'undefined', config })).toMatchObject({ id: 'undefined' });
  });

  it('lets the server choose the id where the client has none, whatever it writes instead', () => {
    const config = { pushNotificationConfig: { url: 'https://example.com' } };
    for (const configId of ['', 'undefined']) {
      expect(createConfig({ parent: 'tasks/7', configId, config })).not.toHaveProperty('id');
    }
  });

  it.each([
    ['GetTask', () => getTask({ name: '' }), 'name', 'must be tasks/{id}'],
    ['GetTask', () => getTask({ name: '7' }), 'name', 'must be tasks/{id}'],
    ['CancelTask', () => cancel({ name: 'tasks/' }), 'name', 'must be tasks/{id}'],
    ['TaskSubscription', () => subscribe({ name: 'tasks/7/x' }), 'name', 'must be tasks/{id}'],
    ['a listing', () => listConfigs({ parent: 'task/7' }), 'parent', 'must be tasks/{id}'],
    ['a webhook', () => getConfig({ name: 'tasks/7' }), 'name', 'must be tasks/{id}/pushNotificationConfigs/{id}'],
    [
      'a webhook to delete',
      () => deleteConfig({ name: 'tasks//pushNotificationConfigs/p' }),
      'name',
      'must be tasks/{id}/pushNotificationConfigs/{id}',
    ],
    [
      'a webhook to register',
      () => createConfig({ parent: 'tasks/7' }),
      'config.pushNotificationConfig',
      'is required',
    ],
  ])('is refused where %s names no resource', (_, read, field, description) => {
    expect(read).toThrow(expect.objectContaining({ reason: 'INVALID_PARAMS', violations: [{ field, description }] }));
  });
});

describe('webhooks in a2a.v1', () => {
  it('stand under their resource names, with a list of one scheme', () => {
    const page = create(ListTaskPushNotificationConfigsResponseSchema, {
      configs: [
        { id: 'p', taskId: '7', url: 'u', token: 's', authentication: { scheme: 'Bearer', credentials: 'c' } },
        { id: 'q', taskId: '7', url: 'v' },
      ],
      nextPageToken: 'n',
    });
    expect(toJson(v03.ListTaskPushNotificationConfigResponseSchema, pushConfigsTo03(page))).toEqual({
      configs: [
        {
          name: 'tasks/7/pushNotificationConfigs/p',
          pushNotificationConfig: {
            ...{ id: 'p', url: 'u', token: 's' },
            authentication: { schemes: ['Bearer'], credentials: 'c' },
          },
        },
        { name: 'tasks/7/pushNotificationConfigs/q', pushNotificationConfig: { id: 'q', url: 'v' } },
      ],
      nextPageToken: 'n',
    });
  });
});
