import { defineAgent } from 'perdure';
import { passGate, walkOf, writeLine } from '../agents/gate.js';

/** Waits at its gate, and writes down when it is told to stop: its task and the time, in milliseconds. */
export default defineAgent({
  card: { name: 'Witness', description: 'Tells when it is stopped.', defaultInputModes: ['application/json'] },
  async run(task) {
    const walk = walkOf(task);
    await passGate(walk, 1, task.signal).catch((error: unknown) => {
      writeLine(walk, `${task.id} ${Date.now()}`);
      throw error;
    });
  },
});
