import { randomUUID } from 'node:crypto';
import type {
  MessageJson,
  SendMessageRequestJson,
  SendMessageResponseJson,
  StreamResponseJson,
  TaskJson,
} from '#protocol';
import { answerHint, type TaskAddress, watchHint } from './answer-hint.js';
import { isPassing } from './call-error.js';
import { ExitCode } from './cli-error.js';
import { Reconnection } from './reconnection.js';
import { type Target } from './target.js';
import { TaskFeed } from './task-feed.js';
import { TaskPrinter } from './task-printer.js';
import { isEnded, isUnsuccessful, isWaiting, stateWord } from './task-state-word.js';
import { type Terminal } from './terminal.js';

/** How a conversation is held. */
export interface ConversationOptions {
  /** Prints events as they come instead of the result alone. */
  readonly stream?: boolean;
  /** False: asks for the task as it is accepted instead of its result. */
  readonly wait?: boolean;
  /** Prints ProtoJSON instead of text, and asks nobody. */
  readonly json?: boolean;
  /** The idempotency key of the first message. */
  readonly idempotencyKey?: string;
}

/**
 * Sends a message, prints the answer, and on a terminal goes on for as long as the agent asks and the person answers.
 * Leaves the exit code of the task's last state on the terminal. Rejects with a CliError.
 */
export class Conversation {
  private readonly printer: TaskPrinter;
  private task: Pick<TaskJson, 'id' | 'contextId' | 'status'> | undefined;

  constructor(
    private readonly target: Target,
    private readonly options: ConversationOptions & Pick<TaskAddress, 'url' | 'agent'>,
    private readonly terminal: Terminal,
  ) {
    this.printer = new TaskPrinter(terminal);
  }

  async hold(message: MessageJson): Promise<void> {
    try {
      // The key belongs to the first message: an answer sent under it would be refused as another body.
      await this.exchange(message, this.options.idempotencyKey);
      for (let answer = await this.answer(); answer; answer = await this.answer()) {
        await this.exchange(this.followUp(answer));
      }
    } finally {
      this.conclude();
    }
  }

  private followUp(text: string): MessageJson {
    const { id, contextId } = this.task ?? {};
    return { messageId: randomUUID(), role: 'ROLE_USER', parts: [{ text }], taskId: id, contextId };
  }

  private async exchange(message: MessageJson, ownKey?: string): Promise<void> {
    const configuration = this.options.wait === false ? { returnImmediately: true } : undefined;
    const request = { tenant: this.target.tenant, message, configuration };
    const key = ownKey ?? (this.target.honoursKeys ? message.messageId : undefined);
    this.terminal.progress.show('waiting for the agent');
    try {
      if (this.options.stream) await this.stream(request, key);
      else await this.call(request, key);
    } finally {
      this.terminal.progress.hide();
    }
  }

  private async call(request: SendMessageRequestJson, key: string | undefined): Promise<void> {
    const answer = await this.answerTo(request, key);
    this.follow(answer);
    if (this.options.json) this.terminal.json(answer, 2);
    else this.printer.event(answer);
  }

  /** Without a key the message goes out once: where no answer comes, a second one could start a second task. */
  private async answerTo(request: SendMessageRequestJson, key: string | undefined): Promise<SendMessageResponseJson> {
    const line = new Reconnection(this.target, this.terminal);
    const headers: Record<string, string> = key === undefined ? {} : { 'idempotency-key': key };
    for (;;) {
      try {
        return await this.target.client.call('SendMessage', request, headers);
      } catch (error) {
        if (!isPassing(error) || key === undefined) throw error;
        await line.after(error);
      }
    }
  }

  private async stream(request: SendMessageRequestJson, key: string | undefined): Promise<void> {
    const feed = new TaskFeed(this.target, this.terminal);
    for await (const event of feed.send(request, key)) {
      this.follow(event);
      this.terminal.progress.show(stateWord(this.task?.status?.state));
      if (this.options.json) this.terminal.json(event);
      else this.printer.event(event);
    }
  }

  private follow({ task, statusUpdate }: StreamResponseJson): void {
    if (task) this.task = task;
    if (statusUpdate) {
      const { taskId, contextId, status } = statusUpdate;
      this.task = { id: taskId, contextId, status };
    }
  }

  /** What the person answers to the agent's question, undefined where there is no question or nobody to ask. */
  private async answer(): Promise<string | undefined> {
    if (!isWaiting(this.task?.status?.state) || this.options.json || !this.terminal.canAsk) return undefined;
    return this.terminal.ask('Your answer: ');
  }

  private conclude(): void {
    const state = this.task?.status?.state;
    if (isUnsuccessful(state)) this.terminal.exitCode = ExitCode.task;
    if (this.task?.id === undefined || isEnded(state)) return;
    const address = { ...this.options, taskId: this.task.id };
    this.terminal.note(isWaiting(state) ? answerHint(address) : watchHint(address));
  }
}
