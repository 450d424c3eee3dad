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

/** What the main thread tells the thread of gRPC. */
export type ToThread =
  | ({ readonly type: 'write'; readonly call: number } & CallParts)
  | { readonly type: 'health'; readonly isServing: boolean }
  | { readonly type: 'listen'; readonly host: string; readonly port: number }
  /** Sends clients elsewhere with their next calls. */
  | { readonly type: 'leave' }
  | { readonly type: 'close' };

/** What the thread of gRPC tells the main thread. */
export type FromThread =
  | {
      readonly type: 'call';
      /** A number that no other call of the thread has. */
      readonly call: number;
      readonly path: string;
      /** The metadata; several values of a key are joined by commas. */
      readonly parameters: Readonly<Record<string, string>>;
      readonly request: Uint8Array;
    }
  /** The client has taken so many bytes of messages. */
  | { readonly type: 'taken'; readonly call: number; readonly bytes: number }
  /** Nobody waits for the end of the call any more: the client has hung up, its deadline has passed, or it was dropped. */
  | { readonly type: 'gone'; readonly call: number }
  | { readonly type: 'listening'; readonly port: number }
  /** Cannot listen; the fields of the error that `listen` gives. */
  | { readonly type: 'refused'; readonly message: string; readonly error: object }
  /** An error that nobody caught. */
  | { readonly type: 'stray'; readonly error: Error }
  | { readonly type: 'closed' };
