import { type Content, defineAgent, Reject } from 'perdure';

/** What it answers at once, by the text of the message. */
const ANSWERS: Record<string, () => Content | Promise<Content>> = {
  Hi: () => ['Hi there', { data: { polite: true } }],
  nonsense: () => ({ text: 'a', url: 'https://example.com' }),
  silence: () => new Promise<never>(() => undefined),
  decline: () => {
    throw new Reject('I would rather not');
  },
  crash: () => {
    throw new Error('the password is swordfish');
  },
};

/** Answers without a task, well and badly; anything else becomes a task that says which extensions were asked for. */
export default defineAgent({
  card: {
    name: 'Talker',
    description: 'Answers at once.',
    capabilities: { extensions: [{ uri: 'https://example.com/warm', description: 'Answers warmly.' }] },
  },
  timeout: '300ms',
  respond: ({ message }) => ANSWERS[message.parts?.[0]?.text ?? '']?.(),
  run: (task) => ({ data: { extensions: [...task.extensions], tenant: task.tenant, metadata: task.metadata } }),
});
