import { setTimeout as delay } from 'node:timers/promises';
import { ProtocolError } from '../support/protocol-client.js';
import { type Random } from '../support/random.js';
import { type ServerAddress } from './chaos-cluster.js';
import { type Address, type ChaosWire, type WireName, WIRES, wireTo } from './chaos-wire.js';
import { type ClientRecorder } from './client-recorder.js';

/** The longest that a client waits for an answer before it asks again. */
const ANSWER_MS = 10_000;
const PAUSE_MS = 200;
/** What a server says that stood still while the request came; such a request may be repeated (RFC 9110, 15.5.9). */
const REQUEST_TIMEOUT = 408;
/** What gRPC says where the line has broken under a call, besides UNAVAILABLE. */
const BROKEN_LINE = /RST_STREAM|GOAWAY|ECONN|EPIPE|keepalive|connection|stream/i;

/** The suite is over; whoever waits stops. */
export class OverError extends Error {
  override readonly name = 'OverError';
}

class UnansweredError extends Error {
  override readonly name = 'UnansweredError';
}

/** How clients reach an agent: any server will do, over any wire. */
export interface Way extends Address {
  readonly wire: WireName;
}

/** The servers as clients reach them. */
export class Caller {
  private readonly wires = new Map<string, ChaosWire>();

  /** @param over says when nobody has patience any more. */
  constructor(
    private readonly servers: readonly ServerAddress[],
    private readonly recorder: ClientRecorder,
    private readonly over: AbortSignal,
  ) {}

  /**
   * Asks a server, and another one, until one answers. Rejects with the first answer that is neither what was asked for nor
   * advice to try again.
   */
  async untilAnswered<T>(random: Random, way: Way, work: (wire: ChaosWire) => Promise<T>): Promise<T> {
    return this.retried(random, (server) => work(this.wire(server, way)));
  }

  /** The same for what is no call of A2A. */
  async retried<T>(random: Random, work: (server: ServerAddress) => Promise<T>): Promise<T> {
    for (;;) {
      if (this.over.aborted) throw new OverError('the suite is over');
      try {
        return await this.inTime(work(this.servers[random.below(this.servers.length)]!));
      } catch (error) {
        if (!this.isForNow(error)) throw error;
        await delay(PAUSE_MS + random.below(PAUSE_MS));
      }
    }
  }

  /** Rejects where it takes too long; what comes later is nobody's. */
  async inTime<T>(answer: Promise<T>, ms = ANSWER_MS): Promise<T> {
    const timer = new AbortController();
    const { signal } = timer;
    const late = delay(ms, undefined, { signal }).then(() => {
      throw new UnansweredError(`no answer within ${ms} ms`);
    });
    late.catch(() => undefined);
    answer.catch(() => undefined);
    return Promise.race([answer, late]).finally(() => timer.abort());
  }

  /** Whether the call may be made again: its line broke, or the server says so. */
  isForNow(error: unknown): boolean {
    if (error instanceof ProtocolError) {
      const isNamed = error.status === 'UNAVAILABLE' || error.status === 'RESOURCE_EXHAUSTED';
      // In a stream that has begun, JSON-RPC has no HTTP status to tell them by.
      const isRefused = isNamed || error.retryDelay !== undefined || error.wire.httpStatus === REQUEST_TIMEOUT;
      if (isRefused) this.recorder.repeated.refused++;
      return isRefused || (error.wire.details.length === 0 && isBrokenCall(error));
    }
    const isBroken = error instanceof UnansweredError || (error instanceof Error && 'code' in error);
    if (isBroken) this.recorder.repeated.broken++;
    return isBroken;
  }

  close(): void {
    for (const wire of this.wires.values()) wire.close();
  }

  private wire(server: ServerAddress, way: Way): ChaosWire {
    const place = `${way.wire} ${server.url} ${way.agent} ${way.tenant}`;
    let wire = this.wires.get(place);
    if (!wire) this.wires.set(place, (wire = wireTo(server, way.wire, way)));
    return wire;
  }
}

/** A wire from the generator. */
export function drawWire(random: Random): WireName {
  return WIRES[random.below(WIRES.length)]!;
}

/** Only gRPC tells of a line that broke by a status. */
function isBrokenCall({ wire, status, message }: ProtocolError): boolean {
  return (
    wire.httpStatus === undefined && ['INTERNAL', 'CANCELLED', 'UNKNOWN'].includes(status) && BROKEN_LINE.test(message)
  );
}
