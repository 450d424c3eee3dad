import { defineAgent } from 'perdure';

/** Serves only clients that speak its extension. */
export default defineAgent({
  card: {
    name: 'Strict',
    description: 'Has a required extension.',
    capabilities: { extensions: [{ uri: 'https://example.com/strict', description: 'Must be.', required: true }] },
  },
  run: () => 'You know how to ask',
});
