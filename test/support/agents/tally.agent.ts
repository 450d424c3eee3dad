import { defineAgent } from 'perdure';
import { walkOf, writeLine } from './gate.js';

/** Takes steps whose effects are lines in a file, emits an artifact between them, and sleeps for a moment where it is told to. */
export default defineAgent({
  card: { name: 'Tally', description: 'Writes down what it does.', defaultInputModes: ['application/json'] },
  async run(task) {
    const walk = walkOf(task);
    await task.status('Begun');
    for (let step = 1; step <= walk.steps; step++) {
      await task.step(`step ${step}`, () => writeLine(walk, `${task.id} step ${step}`));
      await task.artifact({ name: `after-${step}` }).write(`step ${step} is done`);
      if (walk.sleeps) await task.sleep(50);
    }
    return 'Done';
  },
});
