import { defineAgent } from 'perdure';

/** Answers a greeting without a task, and says what extensions it was asked to use. */
export default defineAgent({
  card: {
    name: 'Greeter',
    description: 'Greets.',
    capabilities: {
      pushNotifications: false,
      extensions: [{ uri: 'https://example.com/warm', description: 'Greets warmly.' }],
    },
  },
  respond: ({ message }) => (message.parts?.[0]?.text === 'Hi' ? 'Hi there' : undefined),
  run: (task) => ({ data: { extensions: [...task.extensions] } }),
});
