import { defineAgent } from 'perdure';
import { note, Performance } from './performance.mjs';

/** Does what the script in the message's data says. */
export default defineAgent({
  card: {
    name: 'Courier',
    description: 'Does what a script says.',
    defaultInputModes: ['application/json', 'text/plain'],
  },
  retry: { attempts: 4, initialDelay: '100ms', maxDelay: '400ms' },
  run: (task) => new Performance(task).play(task.message.parts[0].data),
  onCancel: (task) => note({ kind: 'canceled', task: task.id }),
});
