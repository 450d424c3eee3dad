import { defineAgent } from 'perdure';
import { walkOf, writeLine } from './gate.js';

/** Sleeps for a second before each of its steps, whose effects are lines in a file. */
export default defineAgent({
  card: { name: 'Sleeper', description: 'Takes its time.', defaultInputModes: ['application/json'] },
  async run(task) {
    const walk = walkOf(task);
    for (let step = 1; step <= walk.steps; step++) {
      await task.sleep('1s');
      await task.step(`step ${step}`, () => writeLine(walk, `${task.id} step ${step} in attempt ${task.attempt}`));
    }
  },
});
