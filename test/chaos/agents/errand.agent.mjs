import { defineAgent } from 'perdure';
import { Performance } from './performance.mjs';

/** What the courier delegates. */
export default defineAgent({
  card: { name: 'Errand', description: 'Does what a courier asks for.', defaultInputModes: ['application/json'] },
  retry: { attempts: 2, initialDelay: '100ms' },
  run: (task) => new Performance(task).play(task.message.parts[0].data),
});
