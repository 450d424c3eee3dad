import { randomUUID } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { basename } from 'node:path';
import { Command } from 'commander';
import type { MessageJson, PartJson, SendMessageRequestJson, StreamResponseJson, TaskJson } from '#protocol';
import { answerHint, watchHint } from '../answer-hint.js';
import { CliError, ExitCode } from '../cli-error.js';
import { mediaTypeOf } from '../media-type.js';
import { connect, type Target, type TargetOptions, withTarget } from '../target.js';
import { TaskFeed } from '../task-feed.js';
import { TaskPrinter } from '../task-printer.js';
import { isEnded, isUnsuccessful, isWaiting, stateWord } from '../task-state-word.js';
import { type Terminal } from '../terminal.js';

interface SendOptions extends TargetOptions {
  readonly file?: readonly string[];
  readonly stream?: boolean;
  readonly task?: string;
  readonly context?: string;
  readonly idempotencyKey?: string;
  readonly json?: boolean;
}

const HELP = `
Without --stream it waits until the task ends or asks for something. A question is put to you on a terminal; elsewhere
answer it with another send and --task.

Exit codes: 0 the task completed, or waits for you; 1 it failed, was rejected or canceled;
            2 wrong usage, no answer from the server, or the call was refused.

Examples:
  perdure send http://localhost:8080 'Hello'
  perdure send http://localhost:8080 'Sum up' --agent csv --file sales.csv --stream`;

/** `perdure send`: sends a message to an agent and prints what comes of it. */
export function sendCommand(terminal: Terminal): Command {
  return withTarget(new Command('send'))
    .summary('send a message to an agent and print what comes of it')
    .description('Sends a message to an agent and prints what comes of it.')
    .argument('[text]', 'the message')
    .option('--file <path...>', 'files to send along (write TEXT before this option)')
    .option('--stream', 'print statuses and artifacts as they come; goes on when the line is cut')
    .option('--task <id>', 'the task this message continues')
    .option('--context <id>', 'the conversation this message belongs to')
    .option('--idempotency-key <key>', 'sending again with the same key gives the same task')
    .option('--json', "print the protocol's JSON; with --stream, one event a line")
    .addHelpText('after', HELP)
    .action(async (url: string, text: string | undefined, options: SendOptions) => {
      const parts = await partsOf(text, options.file ?? []);
      const target = await connect(url, options);
      await new Conversation(target, url, options, terminal).hold(messageOf(parts, options));
    });
}

async function partsOf(text: string | undefined, files: readonly string[]): Promise<PartJson[]> {
  if (text === undefined && files.length === 0)
    throw new CliError('There is nothing to send: give a TEXT or a --file.');
  return [...(text === undefined ? [] : [{ text }]), ...(await Promise.all(files.map(filePart)))];
}

async function filePart(path: string): Promise<PartJson> {
  const content = await readFile(path).catch((error: NodeJS.ErrnoException) => {
    throw new CliError(
      `The file ${path} cannot be read: ${error.code === 'ENOENT' ? 'it is not there' : error.message}.`,
    );
  });
  return { raw: content.toString('base64'), filename: basename(path), mediaType: mediaTypeOf(path) };
}

function messageOf(
  parts: PartJson[],
  { task, context, idempotencyKey }: Pick<SendOptions, 'task' | 'context' | 'idempotencyKey'>,
): MessageJson {
  // Under one key the whole message has to be the same each time, so its id is too.
  return { messageId: idempotencyKey ?? randomUUID(), role: 'ROLE_USER', parts, taskId: task, contextId: context };
}

/** Sends, prints the answer, and on a terminal goes on for as long as the agent asks and the person answers. */
class Conversation {
  private readonly printer: TaskPrinter;
  private task: Pick<TaskJson, 'id' | 'contextId' | 'status'> | undefined;

  constructor(
    private readonly target: Target,
    private readonly url: string,
    private readonly options: SendOptions,
    private readonly terminal: Terminal,
  ) {
    this.printer = new TaskPrinter(terminal);
  }

  async hold(message: MessageJson): Promise<void> {
    // The key belongs to the first message: an answer sent under it would be refused as another body.
    const key = this.options.idempotencyKey;
    await this.exchange(message, key === undefined ? {} : { 'idempotency-key': key });
    for (let answer = await this.answer(); answer; answer = await this.answer()) {
      await this.exchange(messageOf([{ text: answer }], { task: this.task?.id, context: this.task?.contextId }), {});
    }
    this.conclude();
  }

  private async exchange(message: MessageJson, headers: Record<string, string>): Promise<void> {
    const request = { tenant: this.target.tenant, message };
    this.terminal.progress.show('waiting for the agent');
    try {
      if (this.options.stream) await this.stream(request, headers);
      else await this.wait(request, headers);
    } finally {
      this.terminal.progress.hide();
    }
  }

  private async wait(request: SendMessageRequestJson, headers: Record<string, string>): Promise<void> {
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
    const address = { url: this.url, agent: this.options.agent, taskId: this.task.id };
    this.terminal.note(isWaiting(state) ? answerHint(address) : watchHint(address));
  }
}
