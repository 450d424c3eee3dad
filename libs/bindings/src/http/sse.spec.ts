import { type ServerResponse } from 'node:http';
import { Writable } from 'node:stream';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { SseResponse } from './sse.js';

const STALL_MS = 60_000;
const LIMITS = { keepAliveMs: 15_000, streamStallMs: STALL_MS };
const LONG = 'ä'.repeat(500_000);

/** A response on a line that takes so long for each write, for ever where that is left out. */
class SlowLine extends Writable {
  taken = Buffer.alloc(0);

  constructor(private readonly eachMs: number) {
    super({ highWaterMark: 16 * 1024 });
  }

  writeHead(): void {
    // The head is not what takes long.
  }

  flushHeaders(): void {
    // Nor is this.
  }

  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    this.taken = Buffer.concat([this.taken, chunk]);
    if (Number.isFinite(this.eachMs)) setTimeout(done, this.eachMs);
  }
}

function open(eachMs: number) {
  const line = new SlowLine(eachMs);
  return { line, sse: new SseResponse(line as unknown as ServerResponse, LIMITS) };
}

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

describe('a long event', () => {
  it('reaches a reader who takes it bit by bit, however long that takes, whole and with nothing in between', async () => {
    const { line, sse } = open(10_000);
    const startedAt = Date.now();
    let isSent = false;
    void sse.send({ id: 7, data: LONG }).then(() => (isSent = true));
    for (let step = 0; step < 100 && !isSent; step++) await vi.advanceTimersByTimeAsync(10_000);
    expect(isSent).toBe(true);
    expect(Date.now() - startedAt).toBeGreaterThan(2 * STALL_MS);
    expect(line.destroyed).toBe(false);
    expect(line.taken.toString()).toBe(`id: 7\ndata: ${LONG}\n\n`);
    sse.end();
  });

  it('is no reason to wait for a reader who takes nothing', async () => {
    const { line, sse } = open(Infinity);
    const sent = sse.send({ data: LONG });
    await vi.advanceTimersByTimeAsync(STALL_MS - 1);
    expect(line.destroyed).toBe(false);
    await vi.advanceTimersByTimeAsync(1);
    expect(line.destroyed).toBe(true);
    await sent;
    expect(line.taken.length).toBe(64 * 1024);
  });
});
