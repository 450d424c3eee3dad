import { randomUUID } from 'node:crypto';
import { appendFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { Fail } from 'perdure';

/** One run of a handler that does what a script says, and notes what it does where the test finds it. */
export class Performance {
  #task;
  #run = randomUUID();
  #log;

  constructor(task) {
    this.#task = task;
  }

  /** Does the acts of the message, in order; returns the closing words. */
  async play({ acts, log = 'log' }) {
    this.#note({ kind: 'run' });
    this.#log = this.#task.artifact({ name: log });
    let isOpen = false;
    for (const act of acts) {
      const text = await this.#perform(act, this.#task);
      if (text === undefined) continue;
      isOpen = true;
      await this.#log.append(this.#said(`${text};`));
    }
    if (isOpen) await this.#log.close();
    return this.#said('done');
  }

  /** What the act adds to the log, if it does. */
  async #perform(act, task) {
    switch (act.do) {
      case 'step':
        return this.#step(act, task);
      case 'tumble':
        return this.#tumble(act, task);
      case 'chunk':
        await delay(act.ms ?? 0);
        return act.text;
      case 'ask':
        return (await task.requestInput(this.#said(act.text))).parts[0].text;
      case 'sleep':
        return void (await task.sleep(act.ms));
      case 'wait':
        return (await task.waitFor(act.name)).says;
      case 'delegate':
        return (await task.delegate('errand', { data: { acts: act.acts } })).message.parts[0].text;
      case 'branches':
        return this.#branches(act, task);
      case 'stumble':
        if (task.attempt <= act.attempts) throw new Error('stumbled, as the script says');
        return undefined;
      case 'fail':
        throw new Fail(act.text);
      default:
        throw new Fail(`no act: ${act.do}`);
    }
  }

  /** A step with an effect outside: a line with an id that the journal has to keep. */
  async #step({ name, ms = 0 }, task) {
    await task.status(this.#said(name));
    const effect = await task.step(name, async ({ signal }) => {
      await delay(ms, undefined, { signal });
      return this.#effect(name);
    });
    this.#note({ kind: 'recorded', step: name, effect });
  }

  /** The same with an error before the effect, which the step itself tries again. */
  async #tumble({ name }, task) {
    let falls = 1;
    const retry = { attempts: 3, initialDelay: 20 };
    const effect = await task.step(name, { retry }, () => {
      if (falls-- > 0) throw new Error('fell, as the script says');
      return this.#effect(name);
    });
    this.#note({ kind: 'recorded', step: name, effect });
  }

  async #branches({ branches }, task) {
    const inTurn = (acts) => async (branch) => {
      for (const act of acts) await this.#perform(act, branch);
    };
    await task.all(branches.map(inTurn));
  }

  #effect(step) {
    const effect = randomUUID();
    this.#note({ kind: 'effect', step, effect });
    return effect;
  }

  /** Words that carry the run, so that the log of events tells who wrote them. */
  #said(text) {
    return { text, metadata: { run: this.#run } };
  }

  #note(fields) {
    note({ task: this.#task.id, run: this.#run, ...fields });
  }
}

/**
 * Appends a line to the process' own file. What has been written outlives SIGKILL; only the end of the machine would ask for
 * fsync, and no fault is one. The time is the machine's monotonic clock, the same in all processes and never set.
 */
export function note(fields) {
  const line = JSON.stringify({ atMs: Number(process.hrtime.bigint() / 1_000n) / 1_000, pid: process.pid, ...fields });
  appendFileSync(join(process.env.CHAOS_HISTORY, `handler-${process.pid}.jsonl`), `${line}\n`);
}
