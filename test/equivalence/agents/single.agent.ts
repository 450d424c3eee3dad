import { setTimeout as pause } from 'node:timers/promises';
import { defineAgent } from 'perdure';

/** Does one task at a time, each until it is canceled, and takes no further messages meanwhile. */
export default defineAgent({
  card: { name: 'Single', description: 'One at a time.' },
  concurrency: 1,
  followUps: 'reject',
  run: async (task) => {
    await pause(60_000, undefined, { signal: task.signal });
  },
});
