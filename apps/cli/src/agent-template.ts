/** The file `NAME.agent.ts` of `perdure new agent`: an agent that runs as it is and shows what agents are made of. */
export function agentSource(name: string): string {
  return `import { defineAgent, Reject, type MessageJson } from 'perdure';

/*
 * Served at /agents/${name}. Every awaited call on \`task\` is recorded: after a crash, a restart or a long wait, run()
 * starts again from the top, and what was recorded is not done again. So keep effects inside of task.step().
 */
export default defineAgent({
  card: {
    name: '${titleOf(name)}',
    description: 'Counts the words of a text.',
    skills: [{ id: 'count', name: 'Count words', description: 'How many words?', tags: ['text'], examples: ['To be or not to be'] }],
  },
  retry: { attempts: 3, initialDelay: '1s' }, // an error in run() leads to another attempt; Reject and Fail do not
  async run(task) {
    let text = textOf(task.message);
    if (!text) throw new Reject('Send me a text.');
    // Waits for the answer as a row in the database, for days if need be.
    if (!text.includes(' ')) text = textOf(await task.requestInput('That is one word. Which text do you mean?'));

    await task.status('Counting');
    const words = await task.step('count', () => text.split(/\\s+/).filter(Boolean).length);
    await task.artifact({ name: 'count.json' }).write({ data: { words } });
    return \`Your text has \${words} words.\`;
  },
});

function textOf(message: MessageJson): string {
  return (message.parts ?? []).map((part) => part.text ?? '').join(' ').trim();
}
`;
}

/** The README.md that goes with the agent into its folder. */
export function agentReadme(name: string, folder: string): string {
  return `# Agents

Every \`*.agent.ts\` and \`*.agent.js\` file in this folder is an agent. Serve them, starting again after every change:

    npx perdure dev ${folder}

Talk to one:

    npx perdure send http://localhost:8080/agents/${name} 'To be or not to be' --stream
    npx perdure card http://localhost:8080/agents/${name}
    npx perdure tasks ls http://localhost:8080/agents/${name}

For production: \`npx perdure serve ${folder}\`, with \`DATABASE_URL\` set to your Postgres. For types in your editor:
\`npm install perdure\`.
`;
}

function titleOf(name: string): string {
  const words = name.split(/[-_]+/).filter(Boolean).join(' ') || name;
  return words.charAt(0).toUpperCase() + words.slice(1);
}
