import { type DescMessage, fromJson, type JsonValue, type MessageJsonType } from '@bufbuild/protobuf';
import { type Response } from 'undici';
import { toJsonObject } from '#protocol';
import { CallRefusedError, TransportError } from './call-error.js';

/** Answers of a server or proxy that is overloaded or about to come back. */
const PASSING_STATUSES: readonly number[] = [429, 502, 503, 504];
const SHOWN_CHARACTERS = 200;

interface Envelope {
  readonly result?: unknown;
  readonly error?: unknown;
}

/**
 * The result in the text of a JSON-RPC response, read as the schema's message; fields it does not know are left out.
 * Throws a CallRefusedError for the error in it, and a TransportError where it is no such response.
 */
export function resultOf<Desc extends DescMessage>(
  schema: Desc,
  text: string,
  response: Pick<Response, 'url' | 'status' | 'statusText' | 'ok'>,
): MessageJsonType<Desc> {
  const { result, error } = envelopeOf(text);
  if (error) throw refusal(error);
  const { url, status, statusText } = response;
  if (result === undefined) {
    const answer = response.ok ? 'something that is not JSON-RPC' : `HTTP ${status} ${statusText}`.trim();
    const shown = text.trim().slice(0, SHOWN_CHARACTERS);
    throw new TransportError(`${url} answered ${answer}: ${shown}`, PASSING_STATUSES.includes(status));
  }
  try {
    return toJsonObject(schema, fromJson(schema, result as JsonValue, { ignoreUnknownFields: true }));
  } catch (cause) {
    throw new TransportError(`${url} answered with what is no ${schema.name} of A2A 1.0.`, false, { cause });
  }
}

function envelopeOf(text: string): Envelope {
  try {
    return (JSON.parse(text) ?? {}) as Envelope;
  } catch {
    return {};
  }
}

function refusal(error: { readonly code?: unknown; readonly message?: unknown; readonly data?: unknown }) {
  const details: unknown[] = Array.isArray(error.data) ? error.data : [];
  return new CallRefusedError(Number(error.code), String(error.message), details);
}
