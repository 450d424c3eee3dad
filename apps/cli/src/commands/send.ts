import { randomUUID } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { basename } from 'node:path';
import { Command } from 'commander';
import type { MessageJson, PartJson } from '#protocol';
import { CliError } from '../cli-error.js';
import { Conversation, type ConversationOptions } from '../conversation.js';
import { mediaTypeOf } from '../media-type.js';
import { connect, type TargetOptions, withPatience, withTarget } from '../target.js';
import { type Terminal } from '../terminal.js';

interface SendOptions extends TargetOptions, ConversationOptions {
  readonly file?: readonly string[];
  readonly task?: string;
  readonly context?: string;
}

const HELP = `
Without --stream it waits until the task ends or asks for something. A question is put to you on a terminal; elsewhere
answer it with another send and --task. Where the server goes away meanwhile, it waits for it and goes on with the same
task. A message that was not answered is sent again only where the agent's card says that this makes no second task.

Exit codes: 0 the task completed, or waits for you; 1 it failed, was rejected or canceled;
            2 wrong usage, no answer from the server, or the call was refused.

Examples:
  perdure send http://localhost:8080 'Hello'
  perdure send http://localhost:8080 'Sum up' --agent csv --file sales.csv --stream`;

/** `perdure send`: sends a message to an agent and prints what comes of it. */
export function sendCommand(terminal: Terminal): Command {
  return withPatience(withTarget(new Command('send')))
    .summary('send a message to an agent and print what comes of it')
    .description('Sends a message to an agent and prints what comes of it.')
    .argument('[text]', 'the message')
    .option('--file <path...>', 'files to send along (write TEXT before this option)')
    .option('--stream', 'print statuses and artifacts as they come')
    .option('--no-wait', 'print the task as it is accepted, and leave the rest to `perdure watch`')
    .option('--task <id>', 'the task this message continues')
    .option('--context <id>', 'the conversation this message belongs to')
    .option('--idempotency-key <key>', 'sending again with the same key gives the same task')
    .option('--json', "print the protocol's JSON; with --stream, one event a line")
    .addHelpText('after', HELP)
    .action(async (url: string, text: string | undefined, options: SendOptions) => {
      const parts = await partsOf(text, options.file ?? []);
      const target = await connect(url, options);
      await new Conversation(target, { url, ...options }, terminal).hold(messageOf(parts, options));
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

function messageOf(parts: PartJson[], { task, context, idempotencyKey }: SendOptions): MessageJson {
  // Under one key the whole message has to be the same each time, so its id is too.
  return { messageId: idempotencyKey ?? randomUUID(), role: 'ROLE_USER', parts, taskId: task, contextId: context };
}
