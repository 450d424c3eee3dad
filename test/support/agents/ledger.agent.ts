import { defineAgent } from 'perdure';
import { passGate, walkOf, writeLine } from './gate.js';

/** Walks through steps whose effects are lines in a file, and stops in each until the test lets it pass. */
export default defineAgent({
  card: { name: 'Ledger', description: 'Writes each step down once.', defaultInputModes: ['application/json'] },
  async run(task) {
    const walk = walkOf(task);
    const out = task.artifact({ name: 'ledger.txt' });
    for (let step = 1; step <= walk.steps; step++) {
      await task.status(`Step ${step} of ${walk.steps}`);
      const line = await task.step(`step ${step}`, async ({ signal }) => {
        await passGate(walk, step, signal);
        writeLine(walk, `step ${step} in attempt ${task.attempt}`);
        return `${step};`;
      });
      await out.append(line);
    }
    await out.close();
    return `Done in attempt ${task.attempt}`;
  },
});
