import { type Writable } from 'node:stream';
import { type Logger as PinoLogger, pino, stdSerializers } from 'pino';
import pretty from 'pino-pretty';
import { type Config } from './config.js';

/** Injection token of the {@link Logger}. */
export const LOGGER = Symbol('perdure.logger');

/** A structured logger: `logger.info({ taskId }, 'run.finished')`, `logger.child({ … })`. */
export type Logger = PinoLogger;

/** Keys whose values never reach a log, wherever one of them stands on the first three levels of a line. */
const SECRET_KEYS = [
  'authorization',
  'Authorization',
  'cookie',
  '["set-cookie"]',
  'password',
  'secret',
  'token',
].concat('["x-api-key"]', 'databaseUrl', 'connectionString', 'credentials', 'secretKeys', 'privateKey');

/**
 * A logger to stdout, or to the destination, in the format and from the level of the config. Secrets are replaced by
 * `[redacted]`.
 */
export function createLogger(config: Pick<Config, 'logLevel' | 'logFormat'>, destination?: Writable): Logger {
  const options = {
    level: config.logLevel,
    base: undefined,
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (label: string) => ({ level: label }) },
    redact: { paths: SECRET_KEYS.flatMap(everywhere), censor: '[redacted]' },
    serializers: { err: withoutPasswords, error: withoutPasswords },
  };
  if (config.logFormat === 'json') return destination ? pino(options, destination) : pino(options);
  // In this process, not in pino's worker thread: the last lines before an exit are the ones that matter.
  const colorize = process.stdout.isTTY;
  return pino(options, pretty({ destination, colorize, translateTime: 'SYS:HH:MM:ss.l', sync: true }));
}

function everywhere(key: string): string[] {
  const dotted = key.startsWith('[') ? key : `.${key}`;
  return [key, `*${dotted}`, `*.*${dotted}`];
}

/** An error as pino writes it; drivers quote connection URLs in their messages, whose passwords go. */
function withoutPasswords(error: unknown): unknown {
  if (!(error instanceof Error)) return error;
  const { type, message, stack } = stdSerializers.err(error);
  const code = 'code' in error ? error.code : undefined;
  return { type, message: hidePasswords(message), stack: hidePasswords(stack), code };
}

function hidePasswords(text: string): string {
  return text.replace(/(\w+:\/\/[^\s:@/]*):[^\s@/]*@/g, '$1:[redacted]@');
}
