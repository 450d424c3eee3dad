import { type DescMessage, type MessageShape } from '@bufbuild/protobuf';
import { type Empty } from '@bufbuild/protobuf/wkt';
import {
  A2AError,
  type A2AOperations,
  type CallContext,
  type OperationsOf,
  requiredFieldViolations,
  SendMessageRequestSchema,
  type SendMessageRequest,
  type Sequenced,
  type StreamResponse,
  TaskPushNotificationConfigSchema,
  type v03,
} from '#protocol';
import { type FieldNames } from './field-names.js';
import { spokenIn03 } from './grpc-errors.js';
import { sendMessageResponseTo03, streamResponseTo03, taskTo03 } from './grpc-messages.js';
import {
  cancelTaskFrom03,
  createPushConfigFrom03,
  deletePushConfigFrom03,
  getPushConfigFrom03,
  getTaskFrom03,
  listPushConfigsFrom03,
  pushConfigsTo03,
  pushConfigTo03,
  sendMessageFrom03,
  subscribeFrom03,
} from './grpc-requests.js';
import { allPushConfigs } from './push-configs.js';
import { subscribeOrRead } from './task-subscription.js';

type Stream = AsyncIterable<Sequenced<v03.StreamResponse>>;

/**
 * The service of package a2a.v1 over the operations of 1.0: translates what comes in and what goes out, and the names of
 * fields in errors. `cardOf` gives the public card of an agent, which is what callers of GetAgentCard see.
 */
export class GrpcOperations03 implements OperationsOf<typeof v03.A2AService> {
  constructor(
    private readonly operations: A2AOperations,
    private readonly cardOf: (context: CallContext) => v03.AgentCard,
  ) {}

  sendMessage(request: v03.SendMessageRequest, context: CallContext): Promise<v03.SendMessageResponse> {
    return inWordsOf03(async () =>
      sendMessageResponseTo03(await this.operations.sendMessage(sent(request), from03(context))),
    );
  }

  sendStreamingMessage(request: v03.SendMessageRequest, context: CallContext): Stream {
    return streamIn03(() => this.operations.sendStreamingMessage(sent(request), from03(context)));
  }

  getTask(request: v03.GetTaskRequest, context: CallContext): Promise<v03.Task> {
    return inWordsOf03(async () => taskTo03(await this.operations.getTask(getTaskFrom03(request), context)));
  }

  cancelTask(request: v03.CancelTaskRequest, context: CallContext): Promise<v03.Task> {
    return inWordsOf03(async () => taskTo03(await this.operations.cancelTask(cancelTaskFrom03(request), context)));
  }

  taskSubscription(request: v03.TaskSubscriptionRequest, context: CallContext): Stream {
    return streamIn03(() => subscribeOrRead(this.operations, subscribeFrom03(request), context));
  }

  createTaskPushNotificationConfig(
    request: v03.CreateTaskPushNotificationConfigRequest,
    context: CallContext,
  ): Promise<v03.TaskPushNotificationConfig> {
    return inWordsOf03(async () => {
      const config = complete(TaskPushNotificationConfigSchema, createPushConfigFrom03(request));
      return pushConfigTo03(await this.operations.createTaskPushNotificationConfig(config, from03(context)));
    }, [[/^id$/, request.configId === '' ? 'config.pushNotificationConfig.id' : 'configId']]);
  }

  getTaskPushNotificationConfig(
    request: v03.GetTaskPushNotificationConfigRequest,
    context: CallContext,
  ): Promise<v03.TaskPushNotificationConfig> {
    return inWordsOf03(async () =>
      pushConfigTo03(await this.operations.getTaskPushNotificationConfig(getPushConfigFrom03(request), context)),
    );
  }

  /** Who does not ask for a page gets all. */
  listTaskPushNotificationConfig(
    request: v03.ListTaskPushNotificationConfigRequest,
    context: CallContext,
  ): Promise<v03.ListTaskPushNotificationConfigResponse> {
    return inWordsOf03(async () => {
      const asked = listPushConfigsFrom03(request);
      const wantsPage = asked.pageSize !== 0 || asked.pageToken !== '';
      const page = wantsPage
        ? await this.operations.listTaskPushNotificationConfigs(asked, context)
        : await allPushConfigs(this.operations, asked, context);
      return pushConfigsTo03(page);
    });
  }

  deleteTaskPushNotificationConfig(
    request: v03.DeleteTaskPushNotificationConfigRequest,
    context: CallContext,
  ): Promise<Empty> {
    return inWordsOf03(async () =>
      this.operations.deleteTaskPushNotificationConfig(deletePushConfigFrom03(request), context),
    );
  }

  async getAgentCard(_request: v03.GetAgentCardRequest, context: CallContext): Promise<v03.AgentCard> {
    return this.cardOf(context);
  }
}

function sent(request: v03.SendMessageRequest): SendMessageRequest {
  return complete(SendMessageRequestSchema, sendMessageFrom03(request));
}

/** Package a2a.v1 marks few fields as REQUIRED; what 1.0 requires of the message is required all the same. */
function complete<Desc extends DescMessage>(schema: Desc, message: MessageShape<Desc>): MessageShape<Desc> {
  const violations = requiredFieldViolations(schema, message);
  if (violations.length > 0) throw A2AError.invalidParams(violations);
  return message;
}

/** The context of a call that may make a webhook. */
function from03(context: CallContext): CallContext {
  return { ...context, pushDialect: '0.3' };
}

async function inWordsOf03<T>(call: () => Promise<T>, names?: FieldNames): Promise<T> {
  try {
    return await call();
  } catch (error) {
    throw spokenIn03(error, names);
  }
}

async function* streamIn03(open: () => AsyncIterable<Sequenced<StreamResponse>>): Stream {
  try {
    for await (const { sequence, message } of open()) yield { sequence, message: streamResponseTo03(message) };
  } catch (error) {
    throw spokenIn03(error);
  }
}
