import { setTimeout as pause } from 'node:timers/promises';
import { defineAgent } from 'perdure';

interface Burst {
  readonly chunks: number;
  /** Characters of a chunk. */
  readonly size?: number;
  /** Every so many chunks it rests for a moment. */
  readonly rest?: number;
  /** Asks for input in the end. */
  readonly ask?: boolean;
}

/** Emits many numbered chunks of an artifact. */
export default defineAgent({
  card: { name: 'Burst', description: 'Emits many chunks.', defaultInputModes: ['application/json'] },
  async run(task) {
    const { chunks, size = 0, rest = Infinity, ask } = task.message.parts![0]!.data as unknown as Burst;
    const out = task.artifact({ name: 'burst.txt' });
    const filling = 'x'.repeat(size);
    for (let i = 1; i <= chunks; i++) {
      await out.append(`${i};${filling}`);
      if (i % rest === 0) await pause(1, undefined, { signal: task.signal });
    }
    await out.close();
    if (ask) await task.requestInput('Is that enough?');
    return 'Done';
  },
});
