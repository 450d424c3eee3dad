import { parentPort, workerData } from 'node:worker_threads';
import { type handleServerStreamingCall, type handleUnaryCall, Server } from '@grpc/grpc-js';
import { MessageBatches } from '../message-batches.js';
import { type FromThread, type ThreadSettings, type ToThread } from '../thread-messages.js';
import { Health } from './health.js';
import { Listener } from './listener.js';
import { StreamAnswer, UnaryAnswer } from './call-answer.js';
import { OpenCall, parametersOf } from './open-call.js';
import { addReflection } from './reflection.js';

/*
 * The thread of gRPC: HTTP/2, TLS, the framing of gRPC and slow readers cost the main thread nothing. What is in a message is
 * the main thread's to read; here are bytes. See docs/adr/0032.
 */

/** Streams of one connection at once; a client that wants more opens another connection. */
const MAX_STREAMS_PER_CONNECTION = 1_000;
/** A connection is asked for a sign of life so often, and closed where none comes. */
const KEEPALIVE_TIME_MS = 60_000;
const KEEPALIVE_TIMEOUT_MS = 20_000;
/** A connection without a call is closed after this long; its client opens another one with its next call. */
const MAX_CONNECTION_IDLE_MS = 30 * 60_000;

const settings = workerData as ThreadSettings;
const line = new MessageBatches<FromThread, ToThread>(parentPort!);
/**
 * By their numbers. Not a Map: where keys come and go by the thousand, each of a Map's old tables that has outlived a young
 * collection keeps all later ones, and what they held, alive until the next full one.
 */
const calls = Object.create(null) as Record<number, OpenCall>;
let lastCall = 0;

const server = new Server({
  'grpc.max_receive_message_length': settings.maxBodyBytes,
  'grpc.max_concurrent_streams': MAX_STREAMS_PER_CONNECTION,
  'grpc.keepalive_time_ms': KEEPALIVE_TIME_MS,
  'grpc.keepalive_timeout_ms': KEEPALIVE_TIMEOUT_MS,
  'grpc.max_connection_idle_ms': MAX_CONNECTION_IDLE_MS,
  // Statistics for a service that is not served.
  'grpc.enable_channelz': 0,
});
// Bytes are handed on as they are, so that what is wrong with a message gets an answer of ours.
for (const path of settings.paths.unary) {
  const handle: handleUnaryCall<Buffer, Buffer> = (call, respond) => begin(path, new UnaryAnswer(call, respond));
  server.register(path, handle, same, same, 'unary');
}
for (const path of settings.paths.streaming) {
  const handle: handleServerStreamingCall<Buffer, Buffer> = (call) => begin(path, new StreamAnswer(call));
  server.register(path, handle, same, same, 'serverStream');
}
const health = new Health(server, settings);
addReflection(server, settings);
const listener = new Listener(server, settings);

process.on('uncaughtException', stray);
line.onMessage((row, bytes) => {
  try {
    heed(row, bytes);
  } catch (error) {
    stray(error);
  }
});

function heed(row: ToThread, bytes: Uint8Array | undefined): void {
  switch (row[0]) {
    case 'write':
      return calls[row[1]]?.write({ headers: row[2], message: bytes, end: row[3] });
    case 'health':
      return health.tell(row[1]);
    case 'listen':
      return void listen(row[1], row[2]);
    case 'leave':
      return listener.leave();
    case 'close':
      return void listener.close().then(() => line.send(['closed']));
  }
}

function begin(path: string, answer: UnaryAnswer | StreamAnswer): void {
  const call = ++lastCall;
  const taken = (bytes: number) => line.send(['taken', call, bytes]);
  const left = (hasEnd: boolean) => {
    delete calls[call];
    if (!hasEnd) line.send(['gone', call]);
  };
  calls[call] = new OpenCall(answer, settings.streamStallMs, { taken, left });
  const { metadata, request } = answer.call;
  line.send(['call', call, path, parametersOf(metadata)], request);
}

async function listen(host: string, port: number): Promise<void> {
  try {
    line.send(['listening', await listener.listen(port, host)]);
  } catch (error) {
    // Its fields would not cross with the error.
    line.send(['refused', (error as Error).message, { ...(error as Error) }]);
  }
}

function stray(error: unknown): void {
  line.send(['stray', error instanceof Error ? error : new Error(String(error))]);
}

function same(bytes: Buffer): Buffer {
  return bytes;
}
