import { setTimeout as delay } from 'node:timers/promises';
import { A2A_ERRORS, type SendMessageRequestJson, type StreamResponseJson, type TaskStateJson } from '#protocol';
import { type StreamEvent } from './a2a-client.js';
import { CallRefusedError, isPassing, TransportError } from './call-error.js';
import { isEnded, isWaiting } from './task-state-word.js';
import { type Target } from './target.js';
import { type Terminal } from './terminal.js';

const FIRST_PAUSE_MS = 250;
const LONGEST_PAUSE_MS = 5_000;
const GIVE_UP_MS = 5 * 60_000;

/**
 * The events of one task, each once and in order, over as many connections as it takes: a cut line is taken up again
 * after the last event that came, with growing pauses; five minutes without any contact end it with the last error.
 */
export class TaskFeed {
  private taskId: string | undefined;
  private state: TaskStateJson | undefined;
  private hasAnswer = false;
  private hasContact = false;
  private lastSequence: number | undefined;
  private pauseMs = FIRST_PAUSE_MS;
  private cutAt: number | undefined;

  constructor(
    private readonly target: Target,
    private readonly terminal: Terminal,
  ) {}

  /** Sends the message; ends with a plain answer, or when the task has ended or waits for the client. */
  async *send(
    request: SendMessageRequestJson,
    headers: Readonly<Record<string, string>> = {},
  ): AsyncGenerator<StreamResponseJson> {
    const isOver = () => this.hasAnswer || isEnded(this.state) || isWaiting(this.state);
    try {
      yield* this.deliver(this.target.client.stream('SendStreamingMessage', request, { headers }), isOver);
    } catch (error) {
      // A task without a name cannot be taken up again, and sending once more could start a second one.
      if (this.taskId === undefined || !isPassing(error)) throw error;
      if (!isOver()) await this.pauseAfter(error);
    }
    if (isOver()) return;
    if (this.taskId === undefined) throw new TransportError('The stream ended without an answer.', false);
    yield* this.subscribe(this.taskId, isOver);
  }

  /** The events of the task from its first on, as far as the server keeps them; ends when the task has ended. */
  async *watch(taskId: string): AsyncGenerator<StreamResponseJson> {
    this.lastSequence = 0;
    yield* this.subscribe(taskId, () => isEnded(this.state));
  }

  private async *subscribe(taskId: string, isOver: () => boolean): AsyncGenerator<StreamResponseJson> {
    while (!isOver()) {
      try {
        yield* this.deliver(this.open(taskId), isOver);
        this.cutAt = undefined;
        if (!isOver()) await this.pause();
      } catch (error) {
        if (isOver()) return;
        if (!this.hasContact || !isPassing(error)) throw error;
        await this.pauseAfter(error);
      }
    }
  }

  /** The events after the last one that came; the task as it is where the server refuses, as it may for an ended task. */
  private async *open(taskId: string): AsyncGenerator<StreamEvent> {
    const { client, tenant } = this.target;
    try {
      yield* client.stream('SubscribeToTask', { tenant, id: taskId }, { lastEventId: this.lastSequence });
    } catch (error) {
      const isRefused = error instanceof CallRefusedError && error.code === A2A_ERRORS.UNSUPPORTED_OPERATION.jsonRpc;
      if (!isRefused) throw error;
      yield { response: { task: await client.call('GetTask', { tenant, id: taskId }) } };
    }
  }

  private async *deliver(
    events: AsyncIterable<StreamEvent>,
    isOver: () => boolean,
  ): AsyncGenerator<StreamResponseJson> {
    for await (const { sequence, response } of events) {
      this.hasContact = true;
      this.cutAt = undefined;
      if (sequence !== undefined && sequence <= (this.lastSequence ?? -1)) continue;
      this.lastSequence = sequence ?? this.lastSequence;
      this.pauseMs = FIRST_PAUSE_MS;
      this.follow(response);
      yield response;
      // A snapshot may show how things stood before this message; only an event tells what came of it.
      if (!response.task && isOver()) return;
    }
  }

  private follow({ task, message, statusUpdate, artifactUpdate }: StreamResponseJson): void {
    this.hasAnswer ||= message !== undefined;
    this.taskId ??= task?.id ?? statusUpdate?.taskId ?? artifactUpdate?.taskId;
    this.state = task?.status?.state ?? statusUpdate?.status?.state ?? this.state;
  }

  private async pauseAfter(error: unknown): Promise<void> {
    if (this.cutAt === undefined) this.terminal.note(`${(error as Error).message} Trying again.`);
    this.cutAt ??= Date.now();
    if (Date.now() - this.cutAt > GIVE_UP_MS) throw error;
    await this.pause();
  }

  private async pause(): Promise<void> {
    await delay(this.pauseMs);
    this.pauseMs = Math.min(this.pauseMs * 2, LONGEST_PAUSE_MS);
  }
}
