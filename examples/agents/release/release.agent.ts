import { setTimeout as delay } from 'node:timers/promises';
import { type AgentTask, defineAgent } from 'perdure';
import { WorkLog } from './work-log.js';

const STEPS = ['build', 'test', 'upload'];
const log = new WorkLog();

/** The agent whose steps take `paceMs` milliseconds each. */
export function release(paceMs: number) {
  return defineAgent({
    card: {
      name: 'Release',
      description: 'Releases a product in slow steps, so that there is time to kill the server in the middle.',
      skills: [
        {
          id: 'release',
          name: 'Release',
          description:
            'Builds, tests, uploads, waits and announces; the artifact says which process did what, and when.',
          tags: ['steps', 'demo'],
          examples: ['Version 1.4'],
        },
      ],
    },

    async run(task) {
      for (const [index, step] of STEPS.entries()) {
        await task.status(`${index + 1} of 4, ${step}`);
        await task.step(step, ({ signal }) => work(task, step, signal));
      }
      await task.status('Waiting for the mirrors');
      await task.sleep(paceMs);
      await task.status('4 of 4, announce');
      await task.step('announce', ({ signal }) => work(task, 'announce', signal));
      await task.artifact({ name: 'release.md', mediaType: 'text/markdown' }).write(await report(task));
      return 'Released.';
    },
  });

  /** The work first, then what it leaves outside: a kill in between repeats work that had no effect. */
  async function work(task: AgentTask, step: string, signal: AbortSignal): Promise<void> {
    task.log.info(`${step} begins`);
    await delay(paceMs, undefined, { signal });
    await log.add(task.id, { step, process: process.pid, at: new Date().toISOString() });
    task.log.info(`${step} done`);
  }
}

export default release(2_000);

async function report(task: AgentTask): Promise<string> {
  const done = await task.step('read the log', () => log.read(task.id));
  const rows = done.map(({ step, process, at }) => `| ${step} | ${process} | ${at} |`);
  return ['| step | done by process | at |', '| --- | --- | --- |', ...rows].join('\n');
}
