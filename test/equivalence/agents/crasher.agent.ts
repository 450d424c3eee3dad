import { defineAgent } from 'perdure';

/** Throws what no client may see. */
export default defineAgent({
  card: { name: 'Crasher', description: 'Fails.' },
  retry: { attempts: 1 },
  run: () => {
    throw new Error('the password is swordfish');
  },
});
