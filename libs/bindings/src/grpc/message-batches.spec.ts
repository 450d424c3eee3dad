import { MessageChannel, type MessagePort } from 'node:worker_threads';
import { afterEach, describe, expect, it } from 'vitest';
import { MessageBatches } from './message-batches.js';

type Row = readonly [kind: string, number: number];

const ports: MessagePort[] = [];

/** What is sent at one end, and what `count` rows are at the other. */
function line(count: number) {
  const { port1, port2 } = new MessageChannel();
  ports.push(port1, port2);
  let crossings = 0;
  port2.on('message', () => crossings++);
  const received = new Promise<{ rows: [Row, string | undefined][]; crossings: number }>((resolve) => {
    const rows: [Row, string | undefined][] = [];
    new MessageBatches<Row, Row>(port2).onMessage((row, bytes) => {
      rows.push([row, bytes && Buffer.from(bytes).toString()]);
      if (rows.length === count) resolve({ rows, crossings });
    });
  });
  return { near: new MessageBatches<Row, Row>(port1), received };
}

afterEach(() => ports.splice(0).forEach((port) => port.close()));

describe('MessageBatches', () => {
  it('brings rows over in their order, each with its own bytes, empty ones, or none', async () => {
    const { near, received } = line(4);
    near.send(['a', 1], Buffer.from('first'));
    near.send(['b', 2]);
    near.send(['c', 3], Buffer.alloc(0));
    near.send(['d', 4], Buffer.from('last'));
    const expected = [
      [['a', 1], 'first'],
      [['b', 2], undefined],
      [['c', 3], ''],
      [['d', 4], 'last'],
    ];
    expect(await received).toEqual({ rows: expected, crossings: 1 });
  });

  it('leaves the sender its bytes', async () => {
    const { near, received } = line(1);
    const bytes = new Uint8Array(Buffer.from('kept'));
    near.send(['a', 1], bytes);
    await received;
    expect(Buffer.from(bytes).toString()).toBe('kept');
  });

  it('lets eight rows wait for no others', async () => {
    const { near, received } = line(17);
    for (let number = 0; number < 17; number++) near.send(['a', number]);
    const { rows, crossings } = await received;
    expect(rows.map(([[, number]]) => number)).toEqual(Array.from({ length: 17 }, (_, number) => number));
    expect(crossings).toBe(3);
  });

  it('brings a large message over alone', async () => {
    const { near, received } = line(3);
    near.send(['a', 1], Buffer.from('small'));
    near.send(['b', 2], Buffer.alloc(100_000, 'x'));
    near.send(['c', 3], Buffer.from('small'));
    const { rows, crossings } = await received;
    expect(rows.map(([, bytes]) => bytes?.length)).toEqual([5, 100_000, 5]);
    expect(crossings).toBe(3);
  });
});
