export * from './gen/lf/a2a/v1/a2a_pb.js';
/** Package a2a.v1: the messages and the service of A2A 0.3 over gRPC. */
export * as v03 from './gen/a2a/v1/a2a_pb.js';
export {
  BadRequestSchema,
  type BadRequest,
  type BadRequestJson,
  ErrorInfoSchema,
  type ErrorInfo,
  type ErrorInfoJson,
  RetryInfoSchema,
  type RetryInfo,
  type RetryInfoJson,
} from './gen/google/rpc/error_details_pb.js';
export {
  StatusSchema as RpcStatusSchema,
  type Status as RpcStatus,
  type StatusJson as RpcStatusJson,
} from './gen/google/rpc/status_pb.js';
export { http as httpRule } from './gen/google/api/annotations_pb.js';
export { type HttpRule } from './gen/google/api/http_pb.js';

export { isoTime } from './iso-time.js';
export {
  A2A_ERRORS,
  A2AError,
  ERROR_DOMAIN,
  errorDetails,
  type A2AErrorOptions,
  type A2AErrorReason,
  type ErrorMapping,
  type FieldViolation,
} from './a2a-error.js';
export {
  type A2AOperations,
  type CallContext,
  type OlderDialect,
  type OperationsOf,
  type Sequenced,
} from './a2a-operations.js';
export { jsonViolation } from './json-guard.js';
export { type CardDialect, type CardReport, checkCard } from './card-check.js';
export { type CardFinding, cardError, cardWarning } from './card-finding.js';
export { canonicalForms, type CardForm } from './card-form.js';
export { CARD_KEY_ALGORITHM, type CardSigningKey, cardSigningKey, type NewCardKey, newCardKey } from './card-key.js';
export {
  CARD_SIGNATURE_ALGORITHMS,
  type CardKeyLookup,
  type CardKeyName,
  type CardSignatureVerdict,
  signCard,
  verifyCardSignatures,
} from './card-signature.js';
export { isLoopback } from './loopback.js';
export { messageViolations, partViolations } from './message-rules.js';
export { decodeBinary } from './proto-binary.js';
export { decodeJson, jsonText, toJsonObject } from './proto-json.js';
export { parsePushFilter, passesFilter, type PushFilter } from './push-filter.js';
export { requiredFieldViolations } from './required-fields.js';
export { applyArtifactUpdate, applyEvent } from './task-fold.js';
export { isInterrupted, isSettled, isTerminal } from './task-state.js';
export { negotiateVersion, requireVersion, SUPPORTED_VERSIONS, type SupportedVersion } from './version.js';
