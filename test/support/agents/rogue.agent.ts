import { setTimeout as pause } from 'node:timers/promises';
import { type AgentTask, type Content, defineAgent } from 'perdure';

/** What only the operator may see. */
const SECRET = 'secret-of-the-operator';

/** Ways to misbehave, by the name that the message gives. */
const DEEDS: Record<string, (task: AgentTask) => unknown> = {
  throw: () => {
    throw new Error(`cannot log in with ${SECRET}`);
  },
  'throw in a step': (task) => task.step('log in', () => Promise.reject(new Error(SECRET))),
  'throw no error': () => {
    // eslint-disable-next-line @typescript-eslint/only-throw-error
    throw { password: SECRET };
  },
  hang: () => new Promise(() => undefined),
  'emit nonsense': (task) => task.status({ text: 1, secret: SECRET } as unknown as Content),
  'emit two contents': (task) => task.artifact().write({ text: 'a', url: 'https://example.com' }),
  'return nonsense': () => ({ parts: 'no' }),
  'emit too much at once': (task) => task.status('x'.repeat(100_000)),
  async flood(task) {
    const out = task.artifact();
    for (;;) await out.append('x');
  },
  'flood without waiting'(task) {
    const out = task.artifact();
    for (let i = 0; i < 10_000; i++) void out.append('x');
    return pause(60_000, undefined, { signal: task.signal });
  },
  'wait for nothing'(task) {
    void task.status('not awaited');
    void task.artifact().write('not awaited');
    void task.step('not awaited', () => pause(10));
    return 'Done';
  },
  'fail behind its back'(task) {
    void Promise.reject(new Error(SECRET));
    return pause(10, 'Done', { signal: task.signal });
  },
  'throw behind its back'(task) {
    setTimeout(() => {
      throw new Error(SECRET);
    }, 0);
    return pause(10, 'Done', { signal: task.signal });
  },
  async 'return after cancel'(task) {
    const out = task.artifact({ name: 'out' });
    await out.append('before');
    await new Promise((resolve) => task.signal.addEventListener('abort', resolve, { once: true }));
    await out.append('after').catch(() => undefined);
    return 'Done all the same';
  },
};

/** Does what no handler should. */
export default defineAgent({
  card: { name: 'Rogue', description: 'Misbehaves as told.' },
  retry: { attempts: 1 },
  timeout: '2s',
  run: (task) => DEEDS[task.message.parts![0]!.text!]!(task) as Promise<Content>,
});
