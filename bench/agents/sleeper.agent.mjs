import { defineAgent } from 'perdure';

export default defineAgent({
  card: {
    name: 'Sleeper',
    description: 'Sleeps until the time in the message.',
    version: '1.0.0',
    skills: [{ id: 'sleep', name: 'Sleep', description: 'Sleeps.', tags: ['benchmark'] }],
  },
  async run(task) {
    await task.sleepUntil(new Date(task.message.parts[0].text));
    return 'Awake';
  },
});
