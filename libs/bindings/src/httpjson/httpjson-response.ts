import { type FastifyRequest } from 'fastify';
import { A2A_ERRORS, type A2AError } from '#protocol';
import { type AnswerFormat } from '../http/http-calls.js';
import { httpErrorBody } from '../http/http-error.js';
import { UnreadableBodyError } from '../http/json-body.js';
import { jsonMediaType } from '../http/json-media-type.js';

/** How the answer to a request is written: bare ProtoJSON, and google.rpc.Status where it is an error. */
export function answerFormat(request: FastifyRequest): AnswerFormat {
  return {
    contentType: jsonMediaType(request),
    result: (json) => json,
    error: ({ error, details }) =>
      httpErrorBody(errorStatus(error), error.message, { name: rpcCodeName(error), details }),
    errorStatus,
  };
}

/** A2A has 400 for content types it does not support; a request whose own header is wrong gets what HTTP has for that. */
function errorStatus(error: A2AError): number {
  return error instanceof UnreadableBodyError ? 415 : A2A_ERRORS[error.reason].http;
}

/** The names of google.rpc.Code that A2A's errors have. */
const RPC_CODE_NAMES = {
  3: 'INVALID_ARGUMENT',
  5: 'NOT_FOUND',
  8: 'RESOURCE_EXHAUSTED',
  9: 'FAILED_PRECONDITION',
  12: 'UNIMPLEMENTED',
  13: 'INTERNAL',
  14: 'UNAVAILABLE',
} as const;

function rpcCodeName({ reason }: A2AError): string {
  return RPC_CODE_NAMES[A2A_ERRORS[reason].grpc];
}
