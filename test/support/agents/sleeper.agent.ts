import { defineAgent } from 'perdure';
import { type Walk, walkOf, writeLine } from './gate.js';

interface Nap extends Walk {
  /** How long it sleeps at first, if not for a second as before all other steps. */
  readonly firstMs?: number;
}

/** Sleeps before each of its steps, whose effects are lines in a file. */
export default defineAgent({
  card: { name: 'Sleeper', description: 'Takes its time.', defaultInputModes: ['application/json'] },
  async run(task) {
    const walk: Nap = walkOf(task);
    for (let step = 1; step <= walk.steps; step++) {
      await task.sleep(step === 1 ? (walk.firstMs ?? 1_000) : 1_000);
      await task.step(`step ${step}`, () => writeLine(walk, `${task.id} step ${step} in attempt ${task.attempt}`));
    }
  },
});
