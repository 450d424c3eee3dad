import { A2A_ERRORS, type A2AError } from '#protocol';
import { NotServedError } from '../address.js';
import { type ClientError } from '../client-error.js';
import { type AnswerFormat } from '../http/http-calls.js';
import { JSON_TYPE } from '../http/json-body.js';
import { type JsonRpcId } from './jsonrpc-request.js';

/** The answer to a call that succeeded, as text; `result` is ProtoJSON. */
export function resultText(id: JsonRpcId, result: string): string {
  return `{"jsonrpc":"2.0","id":${JSON.stringify(id)},"result":${result}}`;
}

/** The answer to a call that failed, as text. */
export function errorText(id: JsonRpcId, failure: ClientError): string {
  return JSON.stringify({ jsonrpc: '2.0', id, error: errorObject(failure) });
}

/** An error as JSON-RPC has it; `data` is left out where there are no details. */
export function errorObject({ error: { reason, message }, details }: ClientError): object {
  return { code: A2A_ERRORS[reason].jsonRpc, message, ...(details.length > 0 && { data: details }) };
}

/** How the answer to a request of that id is written. */
export function answerFormat(id: JsonRpcId): AnswerFormat {
  return {
    contentType: JSON_TYPE,
    result: (json) => resultText(id, json),
    error: (failure) => errorText(id, failure),
    errorStatus,
  };
}

/** JSON-RPC answers errors with 200, save those that proxies and retrying clients act upon, and an address with nothing behind it. */
function errorStatus(error: A2AError): number {
  const speaksHttp = error.reason === 'RESOURCE_EXHAUSTED' || error.reason === 'UNAVAILABLE';
  return speaksHttp || error instanceof NotServedError ? A2A_ERRORS[error.reason].http : 200;
}
