import { A2A_ERRORS, type SendMessageRequestJson, type StreamResponseJson, type TaskStateJson } from '#protocol';
import { type StreamEvent } from './a2a-client.js';
import { CallRefusedError, isPassing, TransportError } from './call-error.js';
import { Reconnection } from './reconnection.js';
import { isEnded, isWaiting } from './task-state-word.js';
import { type Target } from './target.js';
import { type Terminal } from './terminal.js';

/**
 * The events of one task, each once and in order, over as many connections as it takes: a cut line is taken up again
 * after the last event that came, as soon as the server is back.
 */
export class TaskFeed {
  private readonly line: Reconnection;
  private taskId: string | undefined;
  private state: TaskStateJson | undefined;
  private hasAnswer = false;
  private lastSequence: number | undefined;

  constructor(
    private readonly target: Target,
    terminal: Terminal,
  ) {
    this.line = new Reconnection(target, terminal);
  }

  /**
   * Sends the message; ends with a plain answer, or when the task has ended or waits for the client.
   * @param key makes it safe to send the message again where no answer came; without one it goes out once.
   */
  async *send(request: SendMessageRequestJson, key: string | undefined): AsyncGenerator<StreamResponseJson> {
    const isOver = () => this.hasAnswer || isEnded(this.state) || isWaiting(this.state);
    const headers: Record<string, string> = key === undefined ? {} : { 'idempotency-key': key };
    let isResent = false;
    while (this.taskId === undefined && !this.hasAnswer) {
      try {
        const events = this.target.client.stream('SendStreamingMessage', request, { headers });
        yield* this.deliver(isResent ? this.fromTheFirst(events, request) : events, isOver);
        if (this.taskId === undefined && !this.hasAnswer) {
          throw new TransportError('The stream ended without an answer.', key !== undefined);
        }
      } catch (error) {
        if (isOver()) return;
        // A task without a name cannot be taken up again, and sending once more could start a second one.
        if (!isPassing(error) || (this.taskId === undefined && key === undefined)) throw error;
        await this.line.after(error);
        isResent = true;
      }
    }
    if (this.taskId !== undefined) yield* this.subscribe(this.taskId, isOver);
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
        if (!isOver()) await this.line.pause();
      } catch (error) {
        if (isOver()) return;
        if (!isPassing(error)) throw error;
        await this.line.after(error);
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

  /** A message that was taken before its answer got lost is answered with the task as it stands: its events come from the log. */
  private async *fromTheFirst(
    events: AsyncIterable<StreamEvent>,
    { message }: SendMessageRequestJson,
  ): AsyncGenerator<StreamEvent> {
    for await (const event of events) {
      const { response, sequence = 0 } = event;
      const isBehind = response.task !== undefined && sequence > 1 && !message?.taskId;
      if (!isBehind) {
        yield event;
        continue;
      }
      this.taskId = response.task?.id;
      this.lastSequence = 0;
      return;
    }
  }

  private async *deliver(
    events: AsyncIterable<StreamEvent>,
    isOver: () => boolean,
  ): AsyncGenerator<StreamResponseJson> {
    for await (const { sequence, response } of events) {
      if (sequence !== undefined && sequence <= (this.lastSequence ?? -1)) continue;
      this.lastSequence = sequence ?? this.lastSequence;
      this.line.contact();
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
}
