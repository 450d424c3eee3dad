import { setTimeout as delay } from 'node:timers/promises';
import { type JsonObject } from '@bufbuild/protobuf';
import { type CallOptions } from '../support/protocol-client.js';
import { type Random } from '../support/random.js';
import { type Caller, type Way } from './caller.js';
import { type HostileReceiver } from './hostile-receiver.js';
import { type WebhookPlan } from './webhook-plan.js';
import { type OpenHook, type WebhookRecorder } from './webhook-recorder.js';

/** Where webhooks go, and who writes down what becomes of them. */
export interface Webhooks {
  readonly recorder: WebhookRecorder;
  readonly receiver: HostileReceiver;
}

/** A client's webhooks of one task. */
export class WebhookOwner {
  private readonly inlineHook: OpenHook | undefined;

  constructor(
    private readonly plans: readonly WebhookPlan[],
    private readonly webhooks: Webhooks,
    private readonly caller: Caller,
    private readonly random: Random,
    private readonly way: Way,
  ) {
    if (plans.some(({ afterMs }) => afterMs === 'inline')) this.inlineHook = webhooks.recorder.hook();
  }

  /** What the configuration of the task's first message says of them. */
  get inline(): JsonObject {
    return this.inlineHook ? { taskPushNotificationConfig: this.configOf(this.inlineHook) } : {};
  }

  /** For the call that sends it: a repeated one makes no other webhook. */
  get inlineOptions(): CallOptions {
    return this.inlineHook ? secretInto(this.inlineHook) : {};
  }

  /** Makes and deletes the task's webhooks as planned. */
  async tend(task: string): Promise<void> {
    await Promise.all(this.plans.map((plan) => this.follow(plan, task)));
  }

  private async follow({ afterMs, dropAfterMs }: WebhookPlan, task: string): Promise<void> {
    let hook = this.inlineHook;
    if (afterMs === 'inline') hook!.task = task;
    else {
      await delay(afterMs);
      hook = await this.make(task);
    }
    if (dropAfterMs === undefined) return;
    await delay(dropAfterMs);
    await this.drop(hook!);
  }

  /** Its id is the client's, so that a call may be repeated; but the secret is another one then. */
  private async make(task: string): Promise<OpenHook> {
    const hook = this.webhooks.recorder.hook();
    hook.task = task;
    const request = { ...this.configOf(hook), taskId: task };
    let calls = 0;
    await this.caller.untilAnswered(this.random, this.way, (wire) => {
      calls++;
      return wire.call('CreateTaskPushNotificationConfig', request, secretInto(hook));
    });
    if (calls > 1) hook.secret = undefined;
    return hook;
  }

  private async drop(hook: OpenHook): Promise<void> {
    hook.isDropped = true;
    await this.caller.untilAnswered(this.random, this.way, (wire) =>
      wire.call('DeleteTaskPushNotificationConfig', { taskId: hook.task, id: hook.id }),
    );
    await this.webhooks.recorder.gone(hook);
  }

  private configOf({ id }: OpenHook): JsonObject {
    return { id, url: this.webhooks.receiver.urlOf(id), token: id };
  }
}

function secretInto(hook: OpenHook): CallOptions {
  return { onHeaders: (header) => void (hook.secret ??= header('webhook-secret')) };
}
