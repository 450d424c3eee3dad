import { defineAgent } from 'perdure';

/** Fails at the first attempt, and has the next one in an hour. */
export default defineAgent({
  card: { name: 'Stumbler', description: 'Fails at first.' },
  retry: { attempts: 2, initialDelay: '1h', maxDelay: '1h' },
  run({ attempt }) {
    if (attempt === 1) throw new Error('stumbled');
    return `Done in attempt ${attempt}`;
  },
});
