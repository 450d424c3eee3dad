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
const calls = new Map<number, OpenCall>();
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
line.onMessage((message) => {
  try {
    heed(message);
  } catch (error) {
    stray(error);
  }
});

function heed(message: ToThread): void {
  if (message.type === 'write') return write(message);
  if (message.type === 'health') return health.tell(message.isServing);
  if (message.type === 'leave') return listener.leave();
  if (message.type === 'listen') return void listen(message);
  void listener.close().then(() => line.send({ type: 'closed' }));
}

function begin(path: string, answer: UnaryAnswer | StreamAnswer): void {
  const call = ++lastCall;
  const taken = (bytes: number) => line.send({ type: 'taken', call, bytes });
  const left = (hasEnd: boolean) => {
    calls.delete(call);
    if (!hasEnd) line.send({ type: 'gone', call });
  };
  calls.set(call, new OpenCall(answer, settings.streamStallMs, { taken, left }));
  const { metadata, request } = answer.call;
  // A copy: the message may be a piece of a larger buffer, and that would cross as a whole.
  line.send({ type: 'call', call, path, parameters: parametersOf(metadata), request: new Uint8Array(request) });
}

function write({ call, ...parts }: ToThread & { type: 'write' }): void {
  calls.get(call)?.write(parts);
}

async function listen({ host, port }: ToThread & { type: 'listen' }): Promise<void> {
  try {
    line.send({ type: 'listening', port: await listener.listen(port, host) });
  } catch (error) {
    // Its fields would not cross with the error.
    line.send({ type: 'refused', message: (error as Error).message, error: { ...(error as Error) } });
  }
}

function stray(error: unknown): void {
  line.send({ type: 'stray', error: error instanceof Error ? error : new Error(String(error)) });
}

function same(bytes: Buffer): Buffer {
  return bytes;
}
