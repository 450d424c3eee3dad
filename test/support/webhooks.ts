import { fromJson } from '@bufbuild/protobuf';
import {
  type ListTaskPushNotificationConfigsResponse,
  type TaskPushNotificationConfigJson,
  TaskPushNotificationConfigSchema,
  toJsonObject,
} from '#protocol';
import { call, type Caller, type Engine } from './engine.js';

/** A task, by the agent that it belongs to. */
export interface OwnTask {
  readonly agent: string;
  readonly id: string;
}

/** What a call that made a webhook has answered. */
export interface CreatedWebhook extends TaskPushNotificationConfigJson {
  readonly secret: string;
}

/** The operations on webhooks of one engine, with plain values. */
export class Webhooks {
  constructor(private readonly engine: Engine) {}

  async create(
    { agent, id: taskId }: OwnTask,
    config: TaskPushNotificationConfigJson,
    caller: Caller = {},
  ): Promise<CreatedWebhook> {
    let secret = '';
    const request = fromJson(TaskPushNotificationConfigSchema, { taskId, ...config });
    const context = call(agent, { onWebhookSecret: (told) => (secret = told), ...caller });
    const made = await this.engine.tasks.service.createTaskPushNotificationConfig(request, context);
    return { ...toJsonObject(TaskPushNotificationConfigSchema, made), secret };
  }

  async get({ agent, id: taskId }: OwnTask, id: string, caller?: Caller): Promise<TaskPushNotificationConfigJson> {
    const request = { $typeName: 'lf.a2a.v1.GetTaskPushNotificationConfigRequest' as const, tenant: '', taskId, id };
    const found = await this.engine.tasks.service.getTaskPushNotificationConfig(request, call(agent, caller));
    return toJsonObject(TaskPushNotificationConfigSchema, found);
  }

  list(
    { agent, id: taskId }: OwnTask,
    page: { readonly pageSize?: number; readonly pageToken?: string } = {},
    caller?: Caller,
  ): Promise<ListTaskPushNotificationConfigsResponse> {
    const asked = { tenant: '', taskId, pageSize: 0, pageToken: '', ...page };
    const request = { $typeName: 'lf.a2a.v1.ListTaskPushNotificationConfigsRequest' as const, ...asked };
    return this.engine.tasks.service.listTaskPushNotificationConfigs(request, call(agent, caller));
  }

  async delete({ agent, id: taskId }: OwnTask, id: string, caller?: Caller): Promise<void> {
    const request = { $typeName: 'lf.a2a.v1.DeleteTaskPushNotificationConfigRequest' as const, tenant: '', taskId, id };
    await this.engine.tasks.service.deleteTaskPushNotificationConfig(request, call(agent, caller));
  }
}
