import { type MessagePort, type Worker } from 'node:worker_threads';

/** So many messages do not wait for others: the other side begins with them while this one makes more. */
const MAX_WAITING = 8;
/** Bytes that cross together; a larger message crosses alone, so that a piece of a small one never keeps it in memory. */
const MAX_BYTES = 64 * 1024;

/** Some messages as they cross: objects cost by their keys, and bytes by their buffers, so there are no keys and one buffer. */
interface Batch<Row> {
  readonly rows: readonly Row[];
  /** Of the bytes beside each row, -1 where there are none. */
  readonly lengths: readonly number[];
  readonly bytes: Uint8Array;
}

/**
 * One end of the line between two threads. What is sent in one turn of the event loop crosses in batches, in its order: a
 * crossing costs more than what it carries.
 */
export class MessageBatches<Out extends readonly unknown[], In extends readonly unknown[]> {
  private rows: Out[] = [];
  private pieces: (Uint8Array | undefined)[] = [];
  private size = 0;

  constructor(private readonly port: Pick<MessagePort | Worker, 'postMessage' | 'on'>) {}

  /** A row may hold only what structuredClone takes. The bytes beside it must not change any more. */
  send(row: Out, bytes?: Uint8Array): void {
    const length = bytes?.length ?? 0;
    if (this.size + length > MAX_BYTES) this.flush();
    if (this.rows.length === 0) setImmediate(() => this.flush());
    this.size += length;
    this.pieces.push(bytes);
    if (this.rows.push(row) === MAX_WAITING || this.size > MAX_BYTES) this.flush();
  }

  /** Calls `take`, which must not throw, with every row of the other side and the bytes beside it. */
  onMessage(take: (row: In, bytes: Uint8Array | undefined) => void): void {
    this.port.on('message', ({ rows, lengths, bytes }: Batch<In>) => {
      let end = 0;
      rows.forEach((row, index) => {
        const length = lengths[index]!;
        take(row, length === -1 ? undefined : bytes.subarray(end, (end += length)));
      });
    });
  }

  private flush(): void {
    const { rows, pieces, size } = this;
    if (rows.length === 0) return;
    this.rows = [];
    this.pieces = [];
    this.size = 0;
    const batch: Batch<Out> = {
      rows,
      lengths: pieces.map((piece) => piece?.length ?? -1),
      bytes: joined(pieces, size),
    };
    this.port.postMessage(batch, [batch.bytes.buffer as ArrayBuffer]);
  }
}

function joined(pieces: readonly (Uint8Array | undefined)[], size: number): Uint8Array {
  const bytes = new Uint8Array(size);
  let end = 0;
  for (const piece of pieces) {
    if (piece === undefined) continue;
    bytes.set(piece, end);
    end += piece.length;
  }
  return bytes;
}
