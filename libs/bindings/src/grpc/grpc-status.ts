import { create, createRegistry, fromJson, type JsonObject, toBinary } from '@bufbuild/protobuf';
import { type Any, AnySchema } from '@bufbuild/protobuf/wkt';
import { BadRequestSchema, ErrorInfoSchema, RetryInfoSchema, RpcStatusSchema } from '#protocol';
import { type ClientError } from '../client-error.js';
import { type CallEnd, type Entries } from './thread-messages.js';

/** The types of detail that errors have. */
const detailTypes = createRegistry(ErrorInfoSchema, BadRequestSchema, RetryInfoSchema);

/** Clients take 8 KiB of metadata unless told otherwise; the text of a status travels percent-encoded, its details as base64. */
const MAX_TEXT = 512;
const MAX_DETAIL_BYTES = 4_096;

/** What ends a call that failed: the code that its service has for the error, its text, and `grpc-status-details-bin`, a google.rpc.Status (specification section 10.6). */
export function failureEnd(code: number, { error, details }: ClientError, trailers: Entries = {}): CallEnd {
  const text = clipped(error.message);
  const failure = { code, text };
  if (details.length === 0) return { failure, trailers };
  const status = create(RpcStatusSchema, { code, message: text, details: packed(details) });
  return { failure, trailers: { ...trailers, 'grpc-status-details-bin': toBinary(RpcStatusSchema, status) } };
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
