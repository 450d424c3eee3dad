import { A2A_ERRORS, type A2AErrorReason } from '#protocol';
import { type FieldNames, renamed } from './field-names.js';

/** 0.3 knew no code for a failed precondition but that of a task that cannot be canceled; its clients look for these. */
const CODES_OF_03: Partial<Record<A2AErrorReason, number>> = {
  PUSH_NOTIFICATION_NOT_SUPPORTED: 12,
  UNSUPPORTED_OPERATION: 12,
};

/** The gRPC status code of an error as clients of 0.3 expect it. */
export function grpcCodeIn03(reason: A2AErrorReason): number {
  return CODES_OF_03[reason] ?? A2A_ERRORS[reason].grpc;
}

/** Where fields of 1.0 stand in package a2a.v1. */
const FIELDS_OF_03: FieldNames = [
  [/^message\.parts(?=\[|$)/, 'message.content'],
  [/^(message\.content\[\d+\])\.url$/, '$1.file.fileWithUri'],
  [/^(message\.content\[\d+\])\.mediaType$/, '$1.file.mimeType'],
  [/^configuration\.taskPushNotificationConfig(?=\.|$)/, 'configuration.pushNotification'],
  [/^(url|token|authentication)(?=\.|$)/, 'config.pushNotificationConfig.$1'],
  [/(\.authentication)\.scheme$/, '$1.schemes'],
];

/** What was thrown, with the fields of violations under the names that they have in package a2a.v1; `names` are those of one method. */
export function spokenIn03(thrown: unknown, names: FieldNames = []): unknown {
  return renamed(thrown, [...names, ...FIELDS_OF_03]);
}
