import { A2A_ERRORS } from '#protocol';
import { CliError, ExitCode } from './cli-error.js';

/** A server's answer that refuses the call: its JSON-RPC code and text, with the violated fields in the message. */
export class CallRefusedError extends CliError {
  override readonly name = 'CallRefusedError';

  constructor(
    readonly code: number,
    text: string,
    details: readonly unknown[],
  ) {
    super([text, ...explanations(text, details)].join('\n'));
  }

  /** Whether the same call may be accepted a moment later: the server is busy, starting or stopping. */
  get isPassing(): boolean {
    return this.code === A2A_ERRORS.UNAVAILABLE.jsonRpc;
  }
}

/** No usable answer came: the server cannot be reached, the line was cut, or what answers does not speak A2A. */
export class TransportError extends CliError {
  override readonly name = 'TransportError';

  constructor(
    message: string,
    readonly isPassing: boolean,
    options?: ErrorOptions,
  ) {
    super(message, ExitCode.error, options);
  }
}

/** Whether trying again may help. */
export function isPassing(error: unknown): error is CallRefusedError | TransportError {
  return (error instanceof CallRefusedError || error instanceof TransportError) && error.isPassing;
}

/** What failed to reach the server, in words: the system's reason, not fetch's "fetch failed". */
export function connectionReason(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  if (error instanceof AggregateError && error.errors.length > 0) return connectionReason(error.errors[0]);
  if (error.cause instanceof Error) return connectionReason(error.cause);
  const code = 'code' in error ? String(error.code) : '';
  return REASONS[code] ?? (error.message || code || error.name);
}

const REASONS: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'nothing listens there (connection refused)',
  ENOTFOUND: 'there is no such host',
  ECONNRESET: 'the connection was cut',
  UND_ERR_SOCKET: 'the connection was cut',
  UND_ERR_BODY_TIMEOUT: 'the server fell silent',
};

/** The details of google.rpc that say more than the text does, as far as a server sends them in the right shape. */
interface ErrorDetail {
  readonly fieldViolations?: unknown;
  readonly retryDelay?: unknown;
}

/** One line for every violated field and retry time that the text does not name already. */
function explanations(text: string, details: readonly unknown[]): string[] {
  const lines = details
    .filter(isObject)
    .flatMap(({ fieldViolations, retryDelay }: ErrorDetail) => [
      ...(Array.isArray(fieldViolations) ? fieldViolations.filter(isObject) : []).map(
        ({ field, description }) => `${String(field)} ${String(description)}`,
      ),
      ...(typeof retryDelay === 'string' ? [`try again in ${retryDelay}`] : []),
    ]);
  return lines.filter((line) => !text.includes(line)).map((line) => `  ${line}`);
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}
