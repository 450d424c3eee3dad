/**
 * Why an attempt has no answer:
 * `refused_address` the guard forbids the URL or what its name resolves to; `invalid_request` it cannot be written as HTTP;
 * `dns` the name has no address; `connect` nobody takes the connection; `tls` its encryption or certificate;
 * `timeout` one of the bounds in time; `closed` the connection ended before the answer did; `bad_response` it is no HTTP;
 * `proxy` our own proxy fails or forbids it, which is not the receiver's doing; `aborted` by the caller's signal.
 */
export type SendErrorCode =
  | 'refused_address'
  | 'invalid_request'
  | 'dns'
  | 'connect'
  | 'tls'
  | 'timeout'
  | 'closed'
  | 'bad_response'
  | 'proxy'
  | 'aborted';

/** An attempt without an answer. Its message is for operators: it may name addresses. */
export class SendError extends Error {
  override readonly name = 'SendError';
  /** How long the attempt took. */
  readonly latencyMs: number;

  constructor(
    readonly code: SendErrorCode,
    message: string,
    options: ErrorOptions & { latencyMs?: number } = {},
  ) {
    super(message, options);
    this.latencyMs = options.latencyMs ?? 0;
  }
}
