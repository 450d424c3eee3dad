import { defineAgent } from 'perdure';

export default defineAgent({
  card: {
    name: 'Echo',
    description: 'Gives back what you send: texts, data, files and links.',
    defaultInputModes: ['*/*'],
    defaultOutputModes: ['*/*'],
    skills: [
      {
        id: 'echo',
        name: 'Echo',
        description: 'Answers with the parts of your message, unchanged and in order.',
        tags: ['echo', 'test'],
        examples: ['Hello!'],
      },
    ],
  },
  default: true,
  run: (task) => task.message.parts ?? [],
});
