import { randomUUID } from 'node:crypto';
import type { MessageJson, SendMessageRequestJson, StreamResponseJson, TaskJson } from '#protocol';
import { answerHint, type TaskAddress, watchHint } from './answer-hint.js';
import { ExitCode } from './cli-error.js';
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
    // The key belongs to the first message: an answer sent under it would be refused as another body.
    const key = this.options.idempotencyKey;
    await this.exchange(message, key === undefined ? {} : { 'idempotency-key': key });
    for (let answer = await this.answer(); answer; answer = await this.answer()) {
      await this.exchange(this.followUp(answer), {});
    }
    this.conclude();
  }

  private followUp(text: string): MessageJson {
    const { id, contextId } = this.task ?? {};
    return { messageId: randomUUID(), role: 'ROLE_USER', parts: [{ text }], taskId: id, contextId };
  }

  private async exchange(message: MessageJson, headers: Record<string, string>): Promise<void> {
    const configuration = this.options.wait === false ? { returnImmediately: true } : undefined;
    const request = { tenant: this.target.tenant, message, configuration };
    this.terminal.progress.show('waiting for the agent');
    try {
      if (this.options.stream) await this.stream(request, headers);
      else await this.call(request, headers);
    } finally {
      this.terminal.progress.hide();
    }
  }

  private async call(request: SendMessageRequestJson, headers: Record<string, string>): Promise<void> {
    const answer = await this.target.client.call('SendMessage', request, headers);
    this.follow(answer);
    if (this.options.json) this.terminal.json(answer, 2);
    else this.printer.event(answer);
  }

  private async stream(request: SendMessageRequestJson, headers: Record<string, string>): Promise<void> {
    const feed = new TaskFeed(this.target, this.terminal);
    for await (const event of feed.send(request, headers)) {
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
