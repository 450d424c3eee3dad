import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { type JsonObject } from '@bufbuild/protobuf';
import { request as httpRequest } from 'undici';
import { SCHEDULING_EXTENSION } from '#agents';
import { type TaskJson } from '#protocol';
import { type CallOptions, ProtocolError } from '../support/protocol-client.js';
import { type Random } from '../support/random.js';
import { type Caller, drawWire, OverError, type Way } from './caller.js';
import { type ClientRecorder, type OpenSend } from './client-recorder.js';
import { Follower } from './follower.js';
import { ANSWER, messageData, type Plan } from './plan.js';
import { isEnd } from './task-end.js';
import { WebhookOwner, type Webhooks } from './webhook-owner.js';
import { type WebhookPlan } from './webhook-plan.js';

const POLL_MS = 400;
/** Codes of JSON-RPC, for 0.3, which has no reasons. */
const CODES: Readonly<Record<string, number>> = { UNSUPPORTED_OPERATION: -32_004, TASK_NOT_CANCELABLE: -32_002 };

/** How the first message of a task is sent. Who has more to say to the task needs its id before its end. */
const WAYS = ['at once', 'streaming', 'blocking'] as const;
const TALKATIVE_WAYS = 2;

const TENANTS = ['default', 'acme', 'globex'];

/** What a client works with. */
export interface Surroundings {
  readonly caller: Caller;
  readonly recorder: ClientRecorder;
  readonly webhooks: Webhooks;
}

/** A client that sends one message and does for its task what there is to do, until it has ended. */
export class Traveller {
  private readonly caller: Caller;
  private readonly recorder: ClientRecorder;
  private readonly way: Way;
  private readonly webhooks: WebhookOwner;
  private follower: Follower | undefined;

  constructor(
    private readonly plan: Plan,
    webhooks: readonly WebhookPlan[],
    { caller, recorder, webhooks: places }: Surroundings,
    private readonly random: Random,
  ) {
    this.caller = caller;
    this.recorder = recorder;
    const tenant = TENANTS[random.below(TENANTS.length)]!;
    this.way = { agent: plan.agent ?? 'courier', tenant, wire: drawWire(random) };
    this.webhooks = new WebhookOwner(webhooks, places, caller, random, this.way);
  }

  /** Resolves when the task has ended, or the suite is over. */
  async travel(): Promise<void> {
    let task: string | undefined;
    try {
      task = await this.begin(WAYS[this.random.below(talksOn(this.plan) ? TALKATIVE_WAYS : WAYS.length)]!);
      const tended = this.webhooks.tend(task);
      tended.catch(() => undefined);
      await this.tend(task);
      await this.untilState(task, isEnd);
      this.recorder.answer(await this.get(task), true);
      this.recorder.ended++;
      await tended;
    } catch (error) {
      if (!(error instanceof OverError)) this.recorder.refused(this.plan.journey, error, task);
    }
  }

  private async begin(way: (typeof WAYS)[number]): Promise<string> {
    const { plan, recorder } = this;
    const key = randomUUID();
    const send = recorder.send(key, plan);
    const parts = [{ data: messageData(plan) }];
    const metadata: JsonObject = plan.startInMs
      ? { [SCHEDULING_EXTENSION.uri]: { startAt: `${plan.startInMs}ms` } }
      : {};
    const configuration = this.webhooks.inline;
    const request = { message: { messageId: key, role: 'ROLE_USER', parts }, configuration, metadata };
    const task = way === 'streaming' ? await this.stream(send, request) : await this.send(send, request, way);
    if (this.follower === undefined && this.random.below(2) === 0) this.follower = this.follow(task);
    // Another one looks on, over another wire.
    if (this.random.below(4) === 0) this.follow(task);
    return task;
  }

  private async send(send: OpenSend, request: JsonObject, way: 'blocking' | 'at once'): Promise<string> {
    const returnImmediately = way === 'at once';
    const configuration = { ...(request.configuration as JsonObject | undefined), returnImmediately };
    const { task } = await this.caller.untilAnswered(this.random, this.way, (wire) =>
      wire.call('SendMessage', { ...request, configuration }, this.keyed(send)),
    );
    return this.accept(send, task!);
  }

  private async stream(send: OpenSend, request: JsonObject): Promise<string> {
    const { caller, recorder, random, way } = this;
    const { follower, task } = await Follower.sending(
      (wire) => wire.open('SendStreamingMessage', request, this.keyed(send)),
      { caller, recorder, random, way },
    );
    this.follower = follower;
    return this.accept(send, task);
  }

  private accept(send: OpenSend, task: TaskJson): string {
    this.recorder.accepted(send, task);
    this.recorder.answer(task, false);
    return task.id!;
  }

  private follow(task: string): Follower {
    const { caller, recorder, random } = this;
    return Follower.of(task, { caller, recorder, random, way: this.otherWay });
  }

  /** What the plan wants of the client, one after the other. */
  private async tend(task: string): Promise<void> {
    const { followUp, cancelAfterMs, acts } = this.plan;
    if (followUp) await this.followUp(task, followUp);
    if (cancelAfterMs !== undefined) {
      await delay(cancelAfterMs);
      return this.cancel(task);
    }
    for (const act of acts) {
      if (act.do === 'ask') await this.answer(task);
      if (act.do === 'wait') await this.signal(task, act.name);
    }
  }

  private async followUp(task: string, plan: Plan): Promise<void> {
    const send = this.recorder.send(randomUUID(), plan, task);
    try {
      await this.say(send, [{ data: messageData(plan) }]);
    } catch (error) {
      if (!isReason(error, 'UNSUPPORTED_OPERATION')) throw error;
      send.isTooLate = true;
    }
  }

  private async answer(task: string): Promise<void> {
    await this.untilState(task, (state) => state === 'TASK_STATE_INPUT_REQUIRED' || isEnd(state));
    const plan: Plan = { journey: 'answer', acts: [], log: '' };
    await this.say(this.recorder.send(randomUUID(), plan, task), [{ text: ANSWER }]);
  }

  private async say(send: OpenSend, parts: JsonObject[]): Promise<void> {
    const message = { messageId: send.key, taskId: send.to!, role: 'ROLE_USER', parts };
    await this.send(send, { message }, 'at once');
  }

  private async cancel(id: string): Promise<void> {
    try {
      const { task } = await this.caller.untilAnswered(this.random, this.way, (wire) =>
        wire.call('CancelTask', { id }),
      );
      this.recorder.answer(task!, false);
    } catch (error) {
      // The answer to the first call may have been lost.
      if (!isReason(error, 'TASK_NOT_CANCELABLE')) throw error;
    }
  }

  /** As operators send it. */
  private async signal(id: string, name: string): Promise<void> {
    await delay(this.random.below(1_000));
    const body = JSON.stringify({
      tenant: this.way.tenant,
      ids: [id],
      name,
      value: { says: ANSWER },
      key: `${id} ${name}`,
    });
    await this.caller.retried(this.random, async ({ url }) => {
      const headers = { 'content-type': 'application/json' };
      const answer = await httpRequest(`${url}/admin/v1/tasks/signal`, { method: 'POST', headers, body });
      assertDone(answer.statusCode, await answer.body.text());
    });
  }

  private async get(id: string): Promise<TaskJson> {
    const { caller, random, otherWay } = this;
    const { task } = await caller.untilAnswered(random, otherWay, (wire) => wire.call('GetTask', { id }));
    return task!;
  }

  /** The same agent over another wire, or the same. */
  private get otherWay(): Way {
    return { ...this.way, wire: drawWire(this.random) };
  }

  /** What makes a call safe to repeat; and whoever makes a webhook with it is told its secret. */
  private keyed(send: OpenSend): CallOptions {
    const options = send.to === undefined ? this.webhooks.inlineOptions : {};
    return { ...options, parameters: { 'idempotency-key': send.key } };
  }

  private async untilState(task: string, matches: (state: string) => boolean): Promise<string> {
    if (this.follower) return this.follower.until(matches);
    for (;;) {
      const found = await this.get(task);
      this.recorder.answer(found, false);
      if (matches(found.status!.state!)) return found.status!.state!;
      await delay(POLL_MS);
    }
  }
}

/** The operators' API tells of each task by itself. */
function assertDone(httpStatus: number, text: string): void {
  const { results = [] } = JSON.parse(text) as { results?: { outcome: string; code?: string }[] };
  if (httpStatus === 200 && results[0]?.outcome === 'done') return;
  const status = results[0]?.code ?? { 429: 'RESOURCE_EXHAUSTED', 503: 'UNAVAILABLE' }[httpStatus] ?? 'UNKNOWN';
  throw new ProtocolError({ code: httpStatus, httpStatus, status, message: text, details: [] });
}

function talksOn({ acts, cancelAfterMs, followUp }: Plan): boolean {
  return cancelAfterMs !== undefined || followUp !== undefined || acts.some((act) => act.do === 'wait');
}

function isReason(error: unknown, reason: string): boolean {
  return error instanceof ProtocolError && (error.reason === reason || error.wire.code === CODES[reason]);
}
