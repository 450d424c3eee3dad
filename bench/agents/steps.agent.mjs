import { setTimeout as delay } from 'node:timers/promises';
import { defineAgent } from 'perdure';

export default defineAgent({
  card: {
    name: 'Steps',
    description: 'Takes as many steps as the message says, 100 ms each.',
    version: '1.0.0',
    skills: [{ id: 'steps', name: 'Steps', description: 'Takes steps.', tags: ['benchmark'] }],
  },
  async run(task) {
    const count = Number(task.message.parts[0].text);
    for (let step = 1; step <= count; step++)
      await task.step(`step ${step}`, ({ signal }) => delay(100, step, { signal }));
    return `${count} steps`;
  },
});
