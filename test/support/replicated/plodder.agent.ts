import { setTimeout as pause } from 'node:timers/promises';
import { defineAgent } from 'perdure';

/** Emits as many numbered chunks as the text says, one every 20 ms. */
export default defineAgent({
  card: { name: 'Plodder', description: 'Takes its time.' },
  async run(task) {
    const out = task.artifact({ name: 'plodded.txt' });
    for (let chunk = 1; chunk <= Number(task.message.parts![0]!.text); chunk++) {
      await out.append(`${chunk};`);
      await pause(20, undefined, { signal: task.signal });
    }
    await out.close();
    return 'Done';
  },
});
