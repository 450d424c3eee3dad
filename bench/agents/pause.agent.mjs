import { setTimeout as delay } from 'node:timers/promises';
import { defineAgent } from 'perdure';

export default defineAgent({
  card: {
    name: 'Pause',
    description: 'Takes as many milliseconds as the message says, and does nothing.',
    version: '1.0.0',
    skills: [{ id: 'pause', name: 'Pause', description: 'Takes its time.', tags: ['benchmark'] }],
  },
  async run(task) {
    await delay(Number(task.message.parts[0].text));
    return 'Done';
  },
});
