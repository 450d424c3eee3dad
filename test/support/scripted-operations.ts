import { create, fromJson, type JsonObject, type Message } from '@bufbuild/protobuf';
import { EmptySchema } from '@bufbuild/protobuf/wkt';
import { afterAll, beforeEach } from 'vitest';
import {
  type A2AOperations,
  A2AService,
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
import { type ScriptedServer, startScriptedServer } from './scripted-server.js';

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

/** The requests and contexts of the calls that reached scripted operations, in their order. */
export type SeenRequests = [request: any, context: CallContext][]; // eslint-disable-line @typescript-eslint/no-explicit-any

/** Lets a unary operation give `result`, ProtoJSON, or throw it where it is an error, and remembers its calls in `seen`. */
export function scriptOperation(
  { script }: Pick<ScriptedServer, 'script'>,
  name: keyof A2AOperations,
  result: JsonObject | Error,
  seen: SeenRequests,
): void {
  Object.assign(script, {
    [name]: async (request: unknown, context: CallContext) => {
      seen.push([request, context]);
      if (result instanceof Error) throw result;
      return fromJson(A2AService.method[name].output, result);
    },
  });
}

/** Lets a streaming operation give the events, ProtoJSON, numbered from 1, and throw what is an error among them. */
export function scriptStream(
  { script }: Pick<ScriptedServer, 'script'>,
  name: keyof A2AOperations,
  events: readonly (JsonObject | Error)[],
  seen: SeenRequests,
): void {
  Object.assign(script, {
    [name]: async function* (request: unknown, context: CallContext) {
      seen.push([request, context]);
      for (const [index, event] of events.entries()) {
        if (event instanceof Error) throw event;
        // An older dialect has no use for the text of 1.0.
        yield { sequence: index + 1, message: fromJson(StreamResponseSchema, event), json: '{"not":"this"}' };
      }
    },
  });
}

/** Forgets what was scripted. */
export function unscript({ script }: Pick<ScriptedServer, 'script'>): void {
  for (const name of Object.keys(script)) delete script[name as keyof A2AOperations];
}

/**
 * A server for the tests of a spec file, closed after them. Each test begins with operations that all succeed, no calls
 * and an empty log.
 */
export async function useScriptedServer(): Promise<{ server: ScriptedServer; calls: SeenCall[] }> {
  const server = await startScriptedServer();
  const calls: SeenCall[] = [];
  afterAll(() => server.close());
  beforeEach(() => {
    calls.length = 0;
    server.log.length = 0;
    scriptAllOperations(server, calls);
  });
  return { server, calls };
}

/** Lets every operation succeed, streams with one event of number 1, and adds the calls to `calls` in the order they come. */
export function scriptAllOperations({ script }: Pick<ScriptedServer, 'script'>, calls: SeenCall[]): void {
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
}
