import { defineAgent } from 'perdure';
import { passGate, walkOf, writeLine } from '../agents/gate.js';

/** What the voyage delegates: one step, at the gate before that of the voyage itself. */
export default defineAgent({
  card: { name: 'Errand', description: 'Fetches what is needed ashore.', defaultInputModes: ['application/json'] },
  retry: { attempts: 1 },
  async run(task) {
    const walk = walkOf(task);
    await task.status('Ashore');
    await task.step('fetch', async ({ signal }) => {
      await passGate(walk, 1, signal);
      writeLine(walk, 'fetch');
    });
    return 'bread';
  },
});
