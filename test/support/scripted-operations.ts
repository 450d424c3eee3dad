import { create, type Message } from '@bufbuild/protobuf';
import { EmptySchema } from '@bufbuild/protobuf/wkt';
import {
  AgentCardSchema,
  type CallContext,
  ListTaskPushNotificationConfigsResponseSchema,
  ListTasksResponseSchema,
  SendMessageResponseSchema,
  StreamResponseSchema,
  TaskPushNotificationConfigSchema,
  TaskSchema,
  TaskState,
} from '#protocol';
import { type ScriptedServer } from './scripted-server.js';

/** A call that reached an operation. */
export interface SeenCall {
  /** The method's local name. */
  readonly operation: string;
  readonly request: Message;
  readonly context: CallContext;
}

/** The one task of every answer, and the one push notification config, in ProtoJSON. */
export const TASK = { id: 't-1', contextId: 'c-1', status: { state: 'TASK_STATE_WORKING' } };
export const WEBHOOK = { id: 'p-1', taskId: 't-1', url: 'https://example.com/' };

const task = create(TaskSchema, { id: 't-1', contextId: 'c-1', status: { state: TaskState.WORKING } });
const webhook = create(TaskPushNotificationConfigSchema, WEBHOOK);

const UNARY = {
  sendMessage: create(SendMessageResponseSchema, { payload: { case: 'task', value: task } }),
  getTask: task,
  listTasks: create(ListTasksResponseSchema, { tasks: [task], totalSize: 1, pageSize: 50 }),
  cancelTask: task,
  createTaskPushNotificationConfig: webhook,
  getTaskPushNotificationConfig: webhook,
  listTaskPushNotificationConfigs: create(ListTaskPushNotificationConfigsResponseSchema, { configs: [webhook] }),
  deleteTaskPushNotificationConfig: create(EmptySchema),
  getExtendedAgentCard: create(AgentCardSchema, { name: 'Extended' }),
};

const STREAMING = ['sendStreamingMessage', 'subscribeToTask'];
const EVENT = create(StreamResponseSchema, { payload: { case: 'task', value: task } });

/** Lets every operation succeed, streams with one event of number 1, and remembers the calls in the order they come. */
export function scriptAllOperations({ script }: Pick<ScriptedServer, 'script'>): SeenCall[] {
  const calls: SeenCall[] = [];
  for (const [operation, answer] of Object.entries(UNARY)) {
    Object.assign(script, {
      [operation]: async (request: Message, context: CallContext) => {
        calls.push({ operation, request, context });
        return answer;
      },
    });
  }
  for (const operation of STREAMING) {
    Object.assign(script, {
      [operation]: async function* (request: Message, context: CallContext) {
        calls.push({ operation, request, context });
        yield { sequence: 1, message: EVENT };
      },
    });
  }
  return calls;
}
