import { setImmediate as nextTurn } from 'node:timers/promises';
import { defineAgent } from 'perdure';
import { chunkText } from '../chunk.mjs';

export default defineAgent({
  card: {
    name: 'Chunks',
    description: 'Appends as many chunks to an artifact as the message says.',
    version: '1.0.0',
    skills: [{ id: 'chunks', name: 'Chunks', description: 'Appends chunks to an artifact.', tags: ['benchmark'] }],
  },
  async run(task) {
    const count = Number(task.message.parts[0].text);
    const artifact = task.artifact({ name: 'chunks.txt' });
    for (let index = 0; index < count; index++) {
      // A chunk per turn of the event loop, as from a model that streams.
      await nextTurn();
      await artifact.append(chunkText(index));
    }
    await artifact.close();
  },
});
