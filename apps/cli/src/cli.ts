import { Command, CommanderError } from 'commander';
import { packageVersion } from '#platform';
import { CliError, ExitCode } from './cli-error.js';
import { cardCommand } from './commands/card.js';
import { devCommand } from './commands/dev.js';
import { keysCommand } from './commands/keys.js';
import { migrateCommand } from './commands/migrate.js';
import { newCommand } from './commands/new.js';
import { sendCommand } from './commands/send.js';
import { serveCommand } from './commands/serve.js';
import { tasksCommand } from './commands/tasks.js';
import { watchCommand } from './commands/watch.js';
import { webhooksCommand } from './commands/webhooks.js';
import { type Terminal } from './terminal.js';

/** Runs one command line (without `node` and the script) and resolves to the exit code the process is to end with. */
export async function runCli(args: readonly string[], terminal: Terminal): Promise<number> {
  try {
    await program(terminal).parseAsync(args, { from: 'user' });
    return terminal.exitCode;
  } catch (error) {
    // Commander has printed its text already: help and version end with 0, wrong usage does not.
    if (error instanceof CommanderError) return error.exitCode === 0 ? ExitCode.ok : ExitCode.error;
    terminal.note(error instanceof CliError ? error.message : crashReport(error));
    return error instanceof CliError ? error.exitCode : ExitCode.error;
  } finally {
    terminal.progress.hide();
  }
}

function program(terminal: Terminal): Command {
  const perdure = new Command('perdure')
    .description('A durable task server that speaks A2A, the Agent2Agent protocol, and a client for it.')
    .version(packageVersion())
    .configureHelp({ showGlobalOptions: false })
    // Options behind a command are that command's, also where the one above it has one of the same name.
    .enablePositionalOptions();
  const commands = [
    serveCommand(terminal),
    devCommand(terminal),
    migrateCommand(terminal),
    newCommand(terminal),
    sendCommand(terminal),
    watchCommand(terminal),
    tasksCommand(terminal),
    webhooksCommand(terminal),
    cardCommand(terminal),
    keysCommand(terminal),
  ];
  for (const command of commands) perdure.addCommand(command);
  return withOutput(perdure, terminal);
}

/** Sends commander's own texts to the terminal and its exits to us as errors, for the command and all below it. */
function withOutput(command: Command, terminal: Terminal): Command {
  command.exitOverride().showHelpAfterError('(add --help for the usage)');
  command.configureOutput({
    writeOut: (text) => terminal.write(text),
    writeErr: (text) => terminal.note(text.trimEnd()),
  });
  for (const child of command.commands) withOutput(child, terminal);
  return command;
}

/** What is no CliError is a fault of ours: the stack is what a bug report needs. */
function crashReport(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}
