import { randomUUID } from 'node:crypto';
import { toJson, create, type JsonObject } from '@bufbuild/protobuf';
import { type Logger } from '#platform';
import { A2AError, ErrorInfoSchema, errorDetails } from '#protocol';

/** What a client learns of a failure, the same on every binding. */
export interface ClientError {
  readonly error: A2AError;
  /** ProtoJSON objects, each with its `@type`. */
  readonly details: JsonObject[];
}

/** An error repeats what was sent; more than this of it helps nobody. */
const MAX_ECHO = 64;

/** A text that a client sent, short enough to be repeated to it. */
export function clipped(text: string): string {
  return text.length > MAX_ECHO ? `${text.slice(0, MAX_ECHO)}…` : text;
}

/** The domain of the reasons that A2A does not define. */
const OWN_DOMAIN = 'perdure.dev';

/**
 * What to tell the client about something that was thrown. An A2AError is told as it is. Of anything else the client gets a
 * generic text and an error id, under which the log has the rest, with `where` (ids and names, no content) beside it. What
 * an agent's author got wrong in an answer is in the log too.
 */
export function clientError(thrown: unknown, logger: Logger, where: Record<string, unknown>): ClientError {
  const error = A2AError.from(thrown);
  if (error.reason === 'INVALID_AGENT_RESPONSE') {
    logger.error({ ...where, err: error.cause ?? error }, 'agent.invalid_response');
  }
  if (error.reason !== 'INTERNAL_ERROR') return { error, details: errorDetails(error) };
  const errorId = randomUUID();
  logger.error({ ...where, errorId, err: error.cause ?? error }, 'call.failed');
  return { error: new A2AError('INTERNAL_ERROR'), details: [internalErrorInfo(errorId)] };
}

function internalErrorInfo(errorId: string): JsonObject {
  const info = create(ErrorInfoSchema, { reason: 'INTERNAL_ERROR', domain: OWN_DOMAIN, metadata: { errorId } });
  const json = toJson(ErrorInfoSchema, info) as JsonObject;
  return { '@type': `type.googleapis.com/${ErrorInfoSchema.typeName}`, ...json };
}
