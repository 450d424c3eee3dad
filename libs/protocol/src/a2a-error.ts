import { create, toJson, type DescMessage, type JsonObject, type MessageShape } from '@bufbuild/protobuf';
import { durationFromMs } from '@bufbuild/protobuf/wkt';
import { BadRequestSchema, ErrorInfoSchema, RetryInfoSchema } from './gen/google/rpc/error_details_pb.js';

/** How one error shows on each binding: JSON-RPC code, gRPC status code, HTTP status, and its default text. */
export interface ErrorMapping {
  readonly jsonRpc: number;
  readonly grpc: number;
  readonly http: number;
  readonly message: string;
}

/** The errors that A2A itself defines (specification 1.0.1, section 5.4); these travel with an ErrorInfo. */
const PROTOCOL_ERRORS = {
  TASK_NOT_FOUND: { jsonRpc: -32001, grpc: 5, http: 404, message: 'Task not found' },
  TASK_NOT_CANCELABLE: { jsonRpc: -32002, grpc: 9, http: 400, message: 'Task cannot be canceled' },
  PUSH_NOTIFICATION_NOT_SUPPORTED: {
    jsonRpc: -32003,
    grpc: 9,
    http: 400,
    message: 'Push notifications are not supported',
  },
  UNSUPPORTED_OPERATION: { jsonRpc: -32004, grpc: 9, http: 400, message: 'This operation is not supported' },
  CONTENT_TYPE_NOT_SUPPORTED: { jsonRpc: -32005, grpc: 3, http: 400, message: 'Content type is not supported' },
  INVALID_AGENT_RESPONSE: { jsonRpc: -32006, grpc: 13, http: 500, message: 'The agent gave an invalid response' },
  EXTENDED_AGENT_CARD_NOT_CONFIGURED: {
    jsonRpc: -32007,
    grpc: 9,
    http: 400,
    message: 'The agent has no extended agent card',
  },
  EXTENSION_SUPPORT_REQUIRED: {
    jsonRpc: -32008,
    grpc: 9,
    http: 400,
    message: 'The agent requires an extension that the request does not declare',
  },
  VERSION_NOT_SUPPORTED: { jsonRpc: -32009, grpc: 9, http: 400, message: 'A2A version is not supported' },
} as const satisfies Record<string, ErrorMapping>;

/** Every error a caller can get, by its reason: the nine of A2A, then those of JSON-RPC and of a busy server. */
export const A2A_ERRORS = {
  ...PROTOCOL_ERRORS,
  INVALID_PARAMS: { jsonRpc: -32602, grpc: 3, http: 400, message: 'Invalid parameters' },
  METHOD_NOT_FOUND: { jsonRpc: -32601, grpc: 12, http: 404, message: 'Method not found' },
  INVALID_REQUEST: { jsonRpc: -32600, grpc: 3, http: 400, message: 'Invalid request' },
  PARSE_ERROR: { jsonRpc: -32700, grpc: 3, http: 400, message: 'The request is not valid JSON' },
  INTERNAL_ERROR: { jsonRpc: -32603, grpc: 13, http: 500, message: 'Internal error' },
  RESOURCE_EXHAUSTED: { jsonRpc: -32000, grpc: 8, http: 429, message: 'A limit is reached; try again later' },
  UNAVAILABLE: { jsonRpc: -32000, grpc: 14, http: 503, message: 'The server is not available; try again later' },
} as const satisfies Record<string, ErrorMapping>;

/** A key of `A2A_ERRORS`. */
export type A2AErrorReason = keyof typeof A2A_ERRORS;

/** One thing wrong with a request: the JSON path of the field (`message.parts[0].raw`) and the fact about it. */
export interface FieldViolation {
  readonly field: string;
  readonly description: string;
}

/** What an A2AError may carry beside its reason; `message` replaces the default text of the table. */
export interface A2AErrorOptions {
  message?: string;
  metadata?: Record<string, string>;
  violations?: readonly FieldViolation[];
  /** After how many milliseconds a retry has a chance. */
  retryAfterMs?: number;
  /** What lies behind it: for the log, never for the client. */
  cause?: unknown;
}

/** The one error that callers see: everything in it but `cause` is meant for the client. */
export class A2AError extends Error {
  override readonly name = 'A2AError';
  readonly metadata: Record<string, string>;
  readonly violations: readonly FieldViolation[];
  readonly retryAfterMs?: number;

  constructor(
    readonly reason: A2AErrorReason,
    options: A2AErrorOptions = {},
  ) {
    super(options.message ?? A2A_ERRORS[reason].message, { cause: options.cause });
    this.metadata = options.metadata ?? {};
    this.violations = options.violations ?? [];
    this.retryAfterMs = options.retryAfterMs;
  }

  /** The error itself when it is an A2AError, else INTERNAL_ERROR with a generic text and `error` as its cause. */
  static from(error: unknown): A2AError {
    return error instanceof A2AError ? error : new A2AError('INTERNAL_ERROR', { cause: error });
  }

  /** INVALID_PARAMS for these violations, or for one field and the fact about it; the text names the first. */
  static invalidParams(violations: readonly FieldViolation[]): A2AError;
  static invalidParams(field: string, description: string): A2AError;
  static invalidParams(fieldOrViolations: string | readonly FieldViolation[], description = ''): A2AError {
    const violations =
      typeof fieldOrViolations === 'string' ? [{ field: fieldOrViolations, description }] : fieldOrViolations;
    return new A2AError('INVALID_PARAMS', { message: describe(violations), violations });
  }
}

function describe([first]: readonly FieldViolation[]): string {
  const text = A2A_ERRORS.INVALID_PARAMS.message;
  if (!first) return text;
  return `${text}: ${first.field === '' ? 'the request' : first.field} ${first.description}`;
}

/** The domain of every ErrorInfo of A2A. */
export const ERROR_DOMAIN = 'a2a-protocol.org';

/**
 * The details of an error in ProtoJSON, each with its `@type`: an ErrorInfo for the errors A2A defines, a BadRequest
 * where fields are violated, a RetryInfo where a retry has a time. Fits JSON-RPC's `data` and the `details` of a Status.
 */
export function errorDetails(error: A2AError): JsonObject[] {
  const { reason, metadata, violations, retryAfterMs } = error;
  const details: JsonObject[] = [];
  if (reason in PROTOCOL_ERRORS) {
    details.push(detail(ErrorInfoSchema, create(ErrorInfoSchema, { reason, domain: ERROR_DOMAIN, metadata })));
  }
  if (violations.length > 0) {
    details.push(detail(BadRequestSchema, create(BadRequestSchema, { fieldViolations: [...violations] })));
  }
  if (retryAfterMs !== undefined) {
    details.push(detail(RetryInfoSchema, create(RetryInfoSchema, { retryDelay: durationFromMs(retryAfterMs) })));
  }
  return details;
}

function detail<Desc extends DescMessage>(schema: Desc, message: MessageShape<Desc>): JsonObject {
  return { '@type': `type.googleapis.com/${schema.typeName}`, ...(toJson(schema, message) as JsonObject) };
}
