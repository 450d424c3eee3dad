import { setImmediate as nextTurn } from 'node:timers/promises';
import { defineAgent } from 'perdure';

export default defineAgent({
  card: {
    name: 'Herald',
    description:
      'Waits for the signal `go`, then appends chunks: the message says how many, and of how many characters.',
    version: '1.0.0',
    skills: [{ id: 'herald', name: 'Herald', description: 'Tells many at once.', tags: ['benchmark'] }],
  },
  async run(task) {
    const [count, size] = task.message.parts[0].text.split(' ').map(Number);
    await task.waitFor('go');
    const artifact = task.artifact({ name: 'news.txt' });
    for (let index = 0; index < count; index++) {
      await nextTurn();
      await artifact.append(`news ${index} `.padEnd(size, '.'));
    }
    await artifact.close();
  },
});
