import {
  type DescMethodServerStreaming,
  type DescMethodUnary,
  type JsonValue,
  type Message,
  type MessageShape,
} from '@bufbuild/protobuf';
import { type A2AOperations, A2AService, type CallContext, type StreamResponse, type Task } from '#protocol';
import { type Dialect } from '../http/http-calls.js';
import { clientTaskId } from './client-task-id.js';
import { type FieldNames, renamed } from './field-names.js';
import { sendTaskFrom, setTaskPushFrom } from './first-requests.js';
import { FirstStream, firstPushConfig, firstSendResult, firstTask } from './first-results.js';
import { JsonField } from './json-field.js';
import { PUSH_FIELDS, PUSH_NAMES, type ReadCall, withNamedOrOnly } from './json-methods.js';
import { cancelTaskFrom, getPushConfigFrom, getTaskFrom, subscribeFrom } from './json-requests.js';
import { streamResultTo, taskTo } from './json-results.js';
import { subscribeOrRead } from './task-subscription.js';

const operations = A2AService.method;

/** Where the fields of a send stand in the first dialect. */
const SEND_FIELDS: FieldNames = [
  [/^message\.contextId$/, 'sessionId'],
  [/^configuration\.taskPushNotificationConfig(?=\.|$)/, 'pushNotification'],
  [/^configuration\.historyLength$/, 'historyLength'],
  [/(\.authentication)\.scheme$/, '$1.schemes'],
];

/** The methods that the first dialect alone has; their tasks go by ids that their clients chose. */
export const METHODS_OF_THE_FIRST: Readonly<Record<string, ReadCall>> = {
  'tasks/send': named(operations.sendMessage, sendTaskFrom, (id) => (result) => firstSendResult(result, id), {
    names: SEND_FIELDS,
  }),
  'tasks/sendSubscribe': named(operations.sendStreamingMessage, sendTaskFrom, firstEvents, { names: SEND_FIELDS }),
  'tasks/pushNotification/set': named(
    operations.createTaskPushNotificationConfig,
    setTaskPushFrom,
    (id) => (result) => firstPushConfig(result, id),
    { names: PUSH_FIELDS },
  ),
  'tasks/pushNotification/get': named(
    operations.getTaskPushNotificationConfig,
    getPushConfigFrom,
    (id) => (result) => firstPushConfig(result, id),
    { names: PUSH_NAMES, operations: withNamedOrOnly },
  ),
};

/**
 * The methods that 0.3 and the first dialect have by the same name and with the same params. What tells them apart is the task:
 * one that was asked for by the server's own id is answered as 0.3 does, one by an id of its client's as the first dialect does.
 */
export const METHODS_OF_BOTH: Readonly<Record<string, ReadCall>> = {
  'tasks/get': named(operations.getTask, getTaskFrom, taskIn),
  'tasks/cancel': named(operations.cancelTask, cancelTaskFrom, taskIn),
  'tasks/resubscribe': named(operations.subscribeToTask, subscribeFrom, eventIn, {
    operations: (served) => ({
      subscribeToTask: (...call: Parameters<A2AOperations['subscribeToTask']>) => subscribeOrRead(served, ...call),
    }),
  }),
};

/** A method whose `id` may be the client's own name for a task. `writer` makes what writes the answers to one request. */
function named<M extends DescMethodUnary | DescMethodServerStreaming>(
  method: M,
  from: (params: JsonField) => MessageShape<M['input']>,
  writer: (id: string) => (result: MessageShape<M['output']>) => JsonValue,
  { names = [], operations: served }: { names?: FieldNames; operations?: Dialect['operations'] } = {},
): ReadCall {
  return (json) => {
    const params = JsonField.params(json);
    const id = params.member('id').name();
    const to = writer(id);
    return {
      method,
      message: from(params),
      dialect: {
        operations: served,
        context: (context: CallContext) => ({
          ...context,
          namedTask: clientTaskId(context, id),
          pushDialect: 'first',
          clientTaskId: id,
        }),
        write: (result: Message) => JSON.stringify(to(result as MessageShape<M['output']>)),
        error: (thrown: unknown) => renamed(thrown, names),
      },
    };
  };
}

function firstEvents(id: string): (event: StreamResponse) => JsonValue {
  const stream = new FirstStream(id);
  return (event) => stream.event(event);
}

function taskIn(id: string): (task: Task) => JsonValue {
  return (task) => (isServersOwn(id, task.id) ? taskTo(task) : firstTask(task, id));
}

function eventIn(id: string): (event: StreamResponse) => JsonValue {
  const stream = new FirstStream(id);
  return (event) => (isServersOwn(id, taskIdOf(event)) ? streamResultTo(event) : stream.event(event));
}

function isServersOwn(asked: string, taskId: string): boolean {
  return asked.toLowerCase() === taskId;
}

function taskIdOf({ payload }: StreamResponse): string {
  return payload.case === 'task' ? payload.value.id : (payload.value?.taskId ?? '');
}
