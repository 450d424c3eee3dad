import { type JsonObject } from '@bufbuild/protobuf';
import { randomUUID } from 'node:crypto';
import { expect } from 'vitest';
import { type Binding } from '../../support/protocol-client.js';
import { calls, JSON_BINDINGS, type Row, send, sending, UNKNOWN_ID } from '../row.js';

/** An empty id in a path is another path. */
const NO_PATHS: readonly Binding[] = ['JSONRPC', 'GRPC'];

const message: JsonObject = { messageId: 'm-1', role: 'ROLE_USER', parts: [{ text: 'x' }] };
const without = (field: string): JsonObject =>
  Object.fromEntries(Object.entries(message).filter(([name]) => name !== field));

/** A row whose request is refused, for these fields and no others. */
function invalid(name: string, fields: readonly string[], row: Omit<Row, 'name' | 'expected'>): Row {
  const violations = fields.map((field) => ({ field, description: expect.any(String) }));
  return { ...row, name, expected: { error: { status: 'INVALID_ARGUMENT', violations } } };
}

/** SendMessage of a message that is refused for these fields. */
function invalidMessage(name: string, fields: readonly string[], given: JsonObject, over?: readonly Binding[]): Row {
  return invalid(name, fields, { over, run: calls('SendMessage', { message: given }) });
}

const part = (...parts: JsonObject[]): JsonObject => ({ ...message, parts });

/** Requests that the protocol does not allow, each named by its field. */
export const VALIDATION: readonly Row[] = [
  invalid('a send without a message is refused', ['message'], { run: calls('SendMessage', {}) }),
  invalidMessage('a message without an id is refused', ['message.messageId'], without('messageId')),
  invalidMessage('a message with an empty id is refused', ['message.messageId'], { ...message, messageId: '' }),
  invalidMessage('a message without a role is refused', ['message.role'], without('role')),
  invalidMessage('a message in the role of the agent is refused', ['message.role'], { ...message, role: 'ROLE_AGENT' }),
  invalidMessage('a role by a number that is none is refused', ['message.role'], { ...message, role: 7 }),
  invalidMessage(
    'a role by a name that is none is refused',
    ['message.role'],
    { ...message, role: 'user' },
    JSON_BINDINGS,
  ),
  invalidMessage('a message without parts is refused', ['message.parts'], without('parts')),
  invalidMessage('a message with no parts is refused', ['message.parts'], { ...message, parts: [] }),
  invalidMessage(
    'everything that is missing is named at once',
    ['message.messageId', 'message.role', 'message.parts'],
    {},
  ),
  invalidMessage('a part without content is refused', ['message.parts[1]'], part({ text: 'x' }, { filename: 'f' })),
  invalidMessage(
    'a part with two contents is refused',
    ['message.parts[0]'],
    part({ text: 'x', url: 'https://example.com' }),
    JSON_BINDINGS,
  ),
  invalidMessage(
    'parts that are no list are refused',
    ['message.parts'],
    { ...message, parts: { text: 'x' } },
    JSON_BINDINGS,
  ),
  invalidMessage('raw that is not base64 is refused', ['message.parts[0].raw'], part({ raw: '$$$' }), JSON_BINDINGS),
  invalidMessage('a url that is not absolute is refused', ['message.parts[0].url'], part({ url: 'a/b' })),
  invalidMessage(
    'a media type that is none is refused',
    ['message.parts[0].mediaType'],
    part({ text: 'x', mediaType: 'text' }),
  ),
  invalidMessage('text with a NUL is refused', ['message.parts[0].text'], part({ text: 'a\u0000b' })),
  invalidMessage('data with a NUL is refused', ['message.parts[0].data.k'], part({ data: { k: 'a\u0000b' } })),
  invalidMessage('an id that is too long is refused', ['message.messageId'], {
    ...message,
    messageId: 'x'.repeat(600),
  }),
  invalidMessage('a context id that is too long is refused', ['message.contextId'], {
    ...message,
    contextId: 'x'.repeat(600),
  }),
  invalid('a history shorter than nothing is refused', ['configuration.historyLength'], {
    run: calls('SendMessage', { message, configuration: { historyLength: -1 } }),
  }),
  invalid('a history of no number is refused', ['configuration.historyLength'], {
    over: JSON_BINDINGS,
    run: calls('SendMessage', { message, configuration: { historyLength: 'many' } }),
  }),
  invalid('a flag that is none is refused', ['configuration.returnImmediately'], {
    over: JSON_BINDINGS,
    run: calls('SendMessage', { message, configuration: { returnImmediately: 'yes' } }),
  }),
  invalid('metadata that is no object is refused', ['metadata'], {
    over: JSON_BINDINGS,
    run: calls('SendMessage', { message, metadata: [1] }),
  }),
  invalid('the context of another task is refused', ['message.contextId'], {
    run: async (client) => {
      const { id } = await send(client, 'tck-input-required');
      return client.call('SendMessage', { message: { ...message, taskId: id, contextId: randomUUID() } });
    },
  }),
  invalid('GetTask without an id is refused', ['id'], { over: NO_PATHS, run: calls('GetTask', {}) }),
  invalid('CancelTask without an id is refused', ['id'], { over: NO_PATHS, run: calls('CancelTask', {}) }),
  invalid('SubscribeToTask without an id is refused', ['id'], {
    over: NO_PATHS,
    run: (client) => client.open('SubscribeToTask', {}),
  }),
  invalid('GetTask with a negative history is refused', ['historyLength'], {
    run: calls('GetTask', { id: UNKNOWN_ID, historyLength: -1 }),
  }),
  invalid('GetTask with a history of no number is refused', ['historyLength'], {
    over: JSON_BINDINGS,
    run: calls('GetTask', { id: UNKNOWN_ID, historyLength: 'x' }),
  }),
  ...[0, -1, 101].map((pageSize) =>
    invalid(`a page of ${pageSize} is refused`, ['pageSize'], { run: calls('ListTasks', { pageSize }) }),
  ),
  invalid('a page size beyond 32 bits is refused', ['pageSize'], {
    over: JSON_BINDINGS,
    run: calls('ListTasks', { pageSize: 4_294_967_297 }),
  }),
  invalid('ListTasks with a negative history is refused', ['historyLength'], {
    run: calls('ListTasks', { historyLength: -1 }),
  }),
  invalid('a page token of somebody else is refused', ['pageToken'], { run: calls('ListTasks', { pageToken: 'abc' }) }),
  invalid('a page token of another list is refused', ['pageToken'], {
    run: async (client) => {
      const contextId = randomUUID();
      for (let i = 0; i < 2; i++) await send(client, { contextId, parts: [{ text: 'x' }] });
      const { nextPageToken } = await client.call('ListTasks', { contextId, pageSize: 1 });
      return client.call('ListTasks', { pageSize: 1, pageToken: nextPageToken! });
    },
  }),
  invalid('a state by a number that is none is refused', ['status'], { run: calls('ListTasks', { status: 42 }) }),
  invalid('a state by a name that is none is refused', ['status'], {
    over: JSON_BINDINGS,
    run: calls('ListTasks', { status: 'working' }),
  }),
  invalid('a time that is none is refused', ['statusTimestampAfter'], {
    over: JSON_BINDINGS,
    run: calls('ListTasks', { statusTimestampAfter: 'yesterday' }),
  }),
  invalid('flags in a list that are none are refused', ['includeArtifacts'], {
    over: JSON_BINDINGS,
    run: calls('ListTasks', { includeArtifacts: 'perhaps' }),
  }),
  invalid('a webhook without an address is refused', ['url'], {
    run: calls('CreateTaskPushNotificationConfig', { taskId: UNKNOWN_ID }),
  }),
  {
    name: 'fields that nobody knows are ignored',
    over: JSON_BINDINGS,
    run: async (client) =>
      (
        await client.call('SendMessage', {
          ...sending('x'),
          colour: 'red',
          message: { ...message, mood: { good: true } },
        })
      ).task?.status,
    expected: { state: 'TASK_STATE_COMPLETED' },
  },
];
