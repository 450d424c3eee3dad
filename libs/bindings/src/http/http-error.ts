import { type JsonObject } from '@bufbuild/protobuf';

/** Status names of google.rpc.Code for the HTTP statuses that the server itself gives. */
const STATUS_NAMES: Readonly<Record<number, string>> = {
  404: 'NOT_FOUND',
  405: 'UNIMPLEMENTED',
  408: 'DEADLINE_EXCEEDED',
  429: 'RESOURCE_EXHAUSTED',
  500: 'INTERNAL',
  503: 'UNAVAILABLE',
};

const MESSAGES: Readonly<Record<number, string>> = {
  400: 'The request is malformed',
  404: 'Nothing is served at this address',
  405: 'This address does not serve that HTTP method',
  408: 'The request took too long to arrive',
  413: 'The request body is too large',
  414: 'The request URL is too long',
  415: 'The content type of the request is not supported',
  431: 'The request headers are too large',
  500: 'Internal error',
  503: 'The server is not available; try again later',
};

/** A generic text for an HTTP status. */
export function httpErrorMessage(status: number): string {
  return MESSAGES[status] ?? MESSAGES[status < 500 ? 400 : 500]!;
}

/** What an error says beside its HTTP status and its text. */
export interface StatusFields {
  /** A name of google.rpc.Code. */
  readonly name?: string;
  /** ProtoJSON objects, each with its `@type`. */
  readonly details?: readonly JsonObject[];
}

/** The JSON body of an HTTP error, in the shape of google.rpc.Status as A2A shows it (specification section 11.6). */
export function httpErrorBody(
  status: number,
  message = httpErrorMessage(status),
  { name = statusName(status), details = [] }: StatusFields = {},
): string {
  const error = { code: status, status: name, message, ...(details.length > 0 && { details }) };
  return JSON.stringify({ error });
}

function statusName(status: number): string {
  return STATUS_NAMES[status] ?? (status < 500 ? 'INVALID_ARGUMENT' : 'INTERNAL');
}
