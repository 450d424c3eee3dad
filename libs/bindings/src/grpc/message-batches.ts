import { type MessagePort, type Worker } from 'node:worker_threads';

/** So many messages do not wait for others: the other side begins with them while this one makes more. */
const MAX_WAITING = 8;

/**
 * One end of the line between two threads. What is sent in one turn of the event loop crosses in batches, in its order: a
 * crossing costs more than what it carries.
 */
export class MessageBatches<Out, In> {
  private waiting: Out[] = [];

  constructor(private readonly port: Pick<MessagePort | Worker, 'postMessage' | 'on'>) {}

  /** Messages are copied; one may hold only what structuredClone takes, and bytes whose buffer holds nothing else. */
  send(message: Out): void {
    if (this.waiting.length === 0) setImmediate(() => this.flush());
    if (this.waiting.push(message) === MAX_WAITING) this.flush();
  }

  /** Calls `take`, which must not throw, with every message of the other side. */
  onMessage(take: (message: In) => void): void {
    this.port.on('message', (batch: In[]) => batch.forEach(take));
  }

  private flush(): void {
    if (this.waiting.length === 0) return;
    const batch = this.waiting;
    this.waiting = [];
    this.port.postMessage(batch);
  }
}
