import { defineAgent } from 'perdure';
import { blockAtGate, passGate, walkOf } from './gate.js';

/**
 * In the process that the walk names, it stands still on the event loop at each gate, so that the first that is done
 * afterwards is to write, whatever has happened.
 */
export default defineAgent({
  card: { name: 'Stubborn', description: 'Hears no signals.', defaultInputModes: ['application/json'] },
  async run(task) {
    const walk = walkOf(task);
    // After a step all that was emitted before is stored.
    await task.step('begin', () => null);
    for (let step = 1; step <= walk.steps; step++) {
      if (walk.blocked === process.pid) blockAtGate(walk, step);
      else await passGate(walk, step, task.signal);
      await task.status(`Step ${step} by ${process.pid}`);
      await task.artifact({ name: `by-${step}` }).write(`written by ${process.pid}`);
    }
    return `Done by ${process.pid}`;
  },
});
