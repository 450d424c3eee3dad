import { once } from 'node:events';
import { basename, relative } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { type FSWatcher, watch } from 'chokidar';
import { Command } from 'commander';
import { type Config } from '#platform';
import { ServerProcess } from '../server-process.js';
import { configOf, type ServerOptions, variablesOf, withServerSettings } from '../server-settings.js';
import { starting } from '../start-error.js';
import { stopSignal } from '../stop-signal.js';
import { type Terminal } from '../terminal.js';

/** Saving many files (a branch change) takes a moment: they make one restart. */
const SETTLE_MS = 150;
const IGNORED: ReadonlySet<string> = new Set(['node_modules', '.perdure', '.git']);

/** `perdure dev`: runs `perdure serve`, and again whenever a file of the agents changes. */
export function devCommand(terminal: Terminal): Command {
  const command = new Command('dev')
    .summary('serve, and start again whenever an agent changes')
    .description('Runs `perdure serve`, and starts it again whenever a file below the agent folders changes.');
  return withServerSettings(command).action(async (dirs: string[], options: ServerOptions) => {
    const config = await starting(async () => configOf(dirs, options));
    // A restart that waits long for runs in progress is no help: they are resumed by the next process anyway.
    const variables = { PERDURE_DRAIN: '500ms', ...process.env, ...variablesOf(options) };
    const server = new ServerProcess(config.agentDirs, variables, (exitCode) => {
      terminal.note(`The server has ended (exit code ${exitCode}). It starts again with the next change.`);
    });
    const stopped = stopSignal(() => server.kill());
    const watcher = await agentFiles(config);
    for (;;) {
      server.start();
      const changed = await Promise.race([nextChange(watcher), stopped]);
      if (changed !== undefined) terminal.note(`${relative(process.cwd(), changed)} has changed: starting again.`);
      await server.stop();
      if (changed === undefined) break;
    }
    await watcher.close();
    process.exit(0);
  });
}

async function agentFiles({ agentDirs, dataDir }: Config): Promise<FSWatcher> {
  const ignored = (path: string) => IGNORED.has(basename(path)) || path === dataDir;
  const watcher = watch([...agentDirs], { ignoreInitial: true, ignored });
  await once(watcher, 'ready');
  return watcher;
}

/** The path of the next file that changes. Changes right after it need no restart of their own: it starts later. */
async function nextChange(watcher: FSWatcher): Promise<string> {
  const path = await new Promise<string>((resolve) => watcher.once('all', (_, changed) => resolve(changed)));
  await delay(SETTLE_MS);
  return path;
}
