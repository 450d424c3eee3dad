import { resolve } from 'node:path';
import { type Command } from 'commander';
import { type Config, loadConfig } from '#platform';

/** Options of a server process by the variable each one stands for; an option wins over its variable. */
const SETTINGS = [
  ['PERDURE_ROLE', '--role <role>', 'all, or server (takes calls) or worker (runs handlers) alone (all)'],
  ['PORT', '--port <number>', 'port to listen on; 0 takes a free one (8080)'],
  ['GRPC_PORT', '--grpc-port <number>', 'port of gRPC; 0 takes a free one, off serves none (50051)'],
  ['HOST', '--host <address>', 'address to listen on (127.0.0.1)'],
  ['PUBLIC_URL', '--public-url <url>', 'base URL that agent cards give to clients'],
  ['PERDURE_DATA_DIR', '--data-dir <dir>', 'folder of the embedded Postgres (.perdure)'],
  ['PERDURE_WORKER_CONCURRENCY', '--concurrency <number>', 'runs at once (100)'],
  ['PERDURE_DRAIN', '--drain <duration>', 'how long a stop waits for runs and streams (10s)'],
  ['PERDURE_LOG_LEVEL', '--log-level <level>', 'trace, debug, info, warn, error, fatal or silent (info)'],
  ['PERDURE_LOG_FORMAT', '--log-format <format>', 'pretty or json (pretty on a terminal)'],
] as const;

/** The parsed options of a command that has {@link withServerSettings}. */
export type ServerOptions = Readonly<Record<string, string | undefined>>;

/** Adds the folder arguments and the options of a server to a command. */
export function withServerSettings(command: Command): Command {
  command.argument(
    '[dir...]',
    'folders with *.agent.ts or *.agent.js files (default: PERDURE_AGENTS, or the examples)',
  );
  for (const [variable, flags, description] of SETTINGS) command.option(flags, `${description} [${variable}]`);
  return command.addHelpText(
    'after',
    '\nDATABASE_URL names the Postgres to use; without it an embedded one is started. REDIS_URL names the Redis of queue\nand signals; without it they go over Postgres.',
  );
}

/** The variables that the given options set. */
export function variablesOf(options: ServerOptions): Record<string, string> {
  const given = SETTINGS.map(([variable, flags]) => [variable, options[optionName(flags)]] as const);
  return Object.fromEntries(given.filter((entry): entry is [(typeof entry)[0], string] => entry[1] !== undefined));
}

/** The configuration of environment, options and folders. Throws the ConfigError of `loadConfig`. */
export function configOf(dirs: readonly string[], options: ServerOptions): Config {
  const config = loadConfig({ ...process.env, ...variablesOf(options) });
  return dirs.length === 0 ? config : { ...config, agentDirs: dirs.map((dir) => resolve(dir)) };
}

/** `--data-dir <dir>` is `dataDir` among commander's options. */
function optionName(flags: string): string {
  const name = flags.slice(2, flags.indexOf(' '));
  return name.replace(/-(.)/g, (_, letter: string) => letter.toUpperCase());
}
