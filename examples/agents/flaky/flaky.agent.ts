import { defineAgent, type AgentTask } from 'perdure';
import { StepLog } from './step-log.js';

const STEPS = ['fetch', 'convert', 'deliver'];
const LAST_BAD_ATTEMPT = 8;
const log = new StepLog();

export default defineAgent({
  card: {
    name: 'Flaky',
    description: 'Fails at random between its three steps, and shows in the end that each of them ran once.',
    skills: [
      {
        id: 'fail-and-recover',
        name: 'Fail and recover',
        description: 'Works in three steps with faults between them; the artifact has a line for each time a step ran.',
        tags: ['retry', 'demo'],
        examples: ['Go'],
      },
    ],
  },
  retry: { attempts: 10, initialDelay: '50ms', maxDelay: '500ms' },

  async run(task) {
    await task.status('Working in three steps');
    for (const step of STEPS) {
      await task.step(step, () => log.add(task.id, { step, attempt: task.attempt }));
      failAtRandom(task, step);
    }
    const ran = await task.step('read the log', () => log.read(task.id));
    const rows = ran.map(({ step, attempt, at }) => `| ${step} | ${attempt} | ${at} |`);
    const counts = STEPS.map((step) => `${step}: ${ran.filter((entry) => entry.step === step).length}`);
    await task
      .artifact({ name: 'steps.md', mediaType: 'text/markdown' })
      .write(
        [
          '| step | in attempt | at |',
          '| --- | --- | --- |',
          ...rows,
          '',
          `Runs of each step: ${counts.join(', ')}`,
        ].join('\n'),
      );
    return `Done in attempt ${task.attempt}.`;
  },
});

/** Chance may decide here because it changes no call: the run either stops or goes on the same way as before. */
function failAtRandom(task: AgentTask, step: string): void {
  if (task.attempt <= LAST_BAD_ATTEMPT && Math.random() < 0.4) throw new Error(`Bad luck after ${step}`);
}
