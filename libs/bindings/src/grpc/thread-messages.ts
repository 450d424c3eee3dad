import { type TlsFiles } from '#platform';

/** What the thread of gRPC is started with. */
export interface ThreadSettings {
  readonly tls?: TlsFiles;
  readonly maxBodyBytes: number;
  readonly streamStallMs: number;
  /** The paths of all methods, as `/package.Service/Method`, by what they answer with: one message, or a stream of them. */
  readonly paths: { readonly unary: readonly string[]; readonly streaming: readonly string[] };
  /** The full names of their services, for health and reflection. */
  readonly services: readonly string[];
  /** Every FileDescriptorProto that those are made of, in binary form. */
  readonly files: readonly Uint8Array[];
}

/** Metadata; keys that end with `-bin` have bytes. What is undefined is left out. */
export type Entries = Readonly<Record<string, string | Uint8Array | undefined>>;

/** The metadata of a call as text: each name, in lower case, with its value behind it. Several values of one are joined by commas. */
export type TextMetadata = readonly string[];

/** How a call ends: with OK, or with the code and the text of a failure. */
export interface CallEnd {
  readonly failure?: { readonly code: number; readonly text: string };
  readonly trailers?: Entries;
}

/** What is to be written to a client: headers, one message, the end, as far as they are given and in that order. */
export interface CallParts {
  readonly headers?: Entries;
  readonly message?: Uint8Array;
  readonly end?: CallEnd;
}

/** What the main thread tells the thread of gRPC, in rows of MessageBatches. */
export type ToThread =
  /** CallParts; their message stands beside the row. */
  | readonly ['write', call: number, headers: CallParts['headers'], end: CallParts['end']]
  | readonly ['health', isServing: boolean]
  | readonly ['listen', host: string, port: number]
  /** Sends clients elsewhere with their next calls. */
  | readonly ['leave']
  | readonly ['close'];

/** What the thread of gRPC tells the main thread, in rows of MessageBatches. */
export type FromThread =
  /** A call, by a number that no other call of the thread has; the request's message stands beside the row. */
  | readonly ['call', call: number, path: string, parameters: TextMetadata]
  /** The client has taken so many bytes of messages. */
  | readonly ['taken', call: number, bytes: number]
  /** Nobody waits for the end of the call any more: the client has hung up, its deadline has passed, or it was dropped. */
  | readonly ['gone', call: number]
  | readonly ['listening', port: number]
  /** Cannot listen; the message and the fields of the error that `listen` gives. */
  | readonly ['refused', message: string, error: object]
  /** An error that nobody caught. */
  | readonly ['stray', error: Error]
  | readonly ['closed'];
