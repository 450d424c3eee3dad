import { defineAgent } from 'perdure';
import { blockAtGate, walkOf } from './gate.js';

/** Stands still on the event loop at each gate, so that the first it does afterwards is to write, whatever has happened. */
export default defineAgent({
  card: { name: 'Stubborn', description: 'Hears no signals.', defaultInputModes: ['application/json'] },
  async run(task) {
    const walk = walkOf(task);
    for (let step = 1; step <= walk.steps; step++) {
      blockAtGate(walk, step);
      await task.status(`Step ${step} by ${process.pid}`);
      await task.artifact({ name: `by-${step}` }).write(`written by ${process.pid}`);
    }
    return `Done by ${process.pid}`;
  },
});
