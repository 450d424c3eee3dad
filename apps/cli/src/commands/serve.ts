import { Command } from 'commander';
import { type Config } from '#platform';
import { serveBanner } from '../serve-banner.js';
import { configOf, type ServerOptions, withServerSettings } from '../server-settings.js';
import { starting } from '../start-error.js';
import { stopSignal } from '../stop-signal.js';
import { type Terminal } from '../terminal.js';

const HELP = `
SIGTERM or Ctrl-C stops it: no new calls, runs hand their tasks back, exit code 0. A second one ends it at once, with
143 or 130; no task is lost by that either. Exit code 1: it cannot start.`;

/** `perdure serve`: runs the server with the agents of the given folders until it is told to stop. */
export function serveCommand(terminal: Terminal): Command {
  const command = new Command('serve')
    .summary('run the server with the agents of the given folders')
    .description(
      'Runs the server with the agents of the given folders. One process takes calls and runs handlers; with --role several share that.',
    );
  return withServerSettings(command)
    .addHelpText('after', HELP)
    .action(async (dirs: string[], options: ServerOptions) => {
      const stop = stopSignal();
      const config = await starting(async () => configOf(dirs, options));
      // Only here: without the server's modules the client commands start in half the time.
      const start = await starterOf(config);
      const running = await starting(() => start(config), config);
      terminal.line(serveBanner({ ...running, pid: process.pid }));
      await stop;
      await running.stop();
      process.exit(0);
    });
}

async function starterOf({ role }: Config) {
  if (role === 'worker') return (await import('../../../worker/src/worker.js')).startWorker;
  return (await import('../../../server/src/server.js')).startServer;
}
