import { create, createRegistry, fromJson, type JsonObject } from '@bufbuild/protobuf';
import { type Any, AnySchema } from '@bufbuild/protobuf/wkt';
import { Metadata, type ServiceError } from '@grpc/grpc-js';
import { BadRequestSchema, ErrorInfoSchema, RetryInfoSchema, RpcStatusSchema } from '#protocol';
import { type ClientError } from '../client-error.js';
import { messageBytes } from './message-bytes.js';

/** The types of detail that errors have. */
const detailTypes = createRegistry(ErrorInfoSchema, BadRequestSchema, RetryInfoSchema);

/** Clients take 8 KiB of metadata unless told otherwise; the text of a status travels percent-encoded, its details as base64. */
const MAX_TEXT = 512;
const MAX_DETAIL_BYTES = 4_096;

/** What ends a call that failed: the code that its service has for the error, its text, and `grpc-status-details-bin`, a google.rpc.Status (specification section 10.6). */
export function statusOf(code: number, { error, details }: ClientError, metadata = new Metadata()): ServiceError {
  const message = clipped(error.message);
  if (details.length > 0) {
    const status = create(RpcStatusSchema, { code, message, details: packed(details) });
    metadata.set('grpc-status-details-bin', messageBytes(RpcStatusSchema, status));
  }
  return Object.assign(new Error(message), { code, details: message, metadata });
}

/** As many of the details as have room. */
function packed(details: readonly JsonObject[]): Any[] {
  let room = MAX_DETAIL_BYTES;
  return details
    .map((detail) => fromJson(AnySchema, detail, { registry: detailTypes }))
    .filter(({ value }) => (room -= value.length) >= 0);
}

function clipped(text: string): string {
  // A client's own words may be in it, cut anywhere: half of a surrogate pair cannot be encoded.
  const sound = Buffer.from(text).toString();
  return sound.length > MAX_TEXT ? `${sound.slice(0, MAX_TEXT).replace(/[\ud800-\udbff]$/, '')}…` : sound;
}
