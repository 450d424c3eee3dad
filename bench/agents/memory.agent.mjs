import { setImmediate as nextTurn } from 'node:timers/promises';
import { defineAgent } from 'perdure';

export default defineAgent({
  card: {
    name: 'Memory',
    description: 'Collects garbage; the process needs --expose-gc.',
    version: '1.0.0',
    skills: [{ id: 'collect', name: 'Collect', description: 'Collects garbage.', tags: ['benchmark'] }],
  },
  async run() {
    // What the first collection has found to be unused is freed by the second.
    for (let times = 0; times < 2; times++) {
      globalThis.gc();
      await nextTurn();
    }
    return `${process.memoryUsage.rss()} bytes`;
  },
});
