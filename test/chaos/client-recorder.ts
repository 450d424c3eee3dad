import { type TaskJson } from '#protocol';
import {
  type Answer,
  type ClientHistory,
  type ReadEvent,
  type ReadStream,
  type Refusal,
  type Send,
  type Subscription,
} from './checks/history.js';
import { artifactTexts, textOf } from './event-text.js';
import { type Plan } from './plan.js';

/** A message on its way. */
export interface OpenSend extends Send {
  readonly tasks: string[];
  isTooLate: boolean;
}

/** A reader at work. */
export interface OpenSubscription extends Subscription {
  readonly streams: OpenStream[];
}

/** A stream that is being read. */
export interface OpenStream extends ReadStream {
  readonly events: ReadEvent[];
}

/** Writes down what the clients do and are told. */
export class ClientRecorder implements ClientHistory {
  readonly sends: OpenSend[] = [];
  readonly answers: Answer[] = [];
  readonly refusals: Refusal[] = [];
  readonly subscriptions: OpenSubscription[] = [];
  /** Calls that were told to try again, and calls whose line broke or that took too long. */
  readonly repeated = { refused: 0, broken: 0 };
  /** Tasks whose end a client has seen. */
  ended = 0;

  send(key: string, plan: Plan, to?: string): OpenSend {
    const send: OpenSend = { key, plan, to, tasks: [], isTooLate: false };
    this.sends.push(send);
    return send;
  }

  /** An answer to a message names its task. */
  accepted(send: OpenSend, { id }: TaskJson): void {
    if (!send.tasks.includes(id!)) send.tasks.push(id!);
  }

  answer({ id, status, artifacts }: TaskJson, isLast: boolean): void {
    const end = isLast ? { artifacts: artifactTexts(artifacts), words: textOf(status?.message?.parts) } : {};
    this.answers.push({ task: id!, state: status!.state!, ...end });
  }

  subscription(task: string, binding: string): OpenSubscription {
    const subscription: OpenSubscription = { task, binding, streams: [] };
    this.subscriptions.push(subscription);
    return subscription;
  }

  stream(subscription: OpenSubscription, after?: number): OpenStream {
    const stream: OpenStream = { after, events: [] };
    subscription.streams.push(stream);
    return stream;
  }

  refused(call: string, error: unknown, task?: string): void {
    this.refusals.push({ call, task, error: errorText(error) });
  }
}

function errorText(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const wire = 'wire' in error ? ` ${JSON.stringify(error.wire)}` : '';
  return `${error.name}: ${error.message}${wire}`;
}
