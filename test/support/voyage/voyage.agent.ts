import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type AgentTask, defineAgent } from 'perdure';
import { passGate, walkOf, writeLine } from '../agents/gate.js';

/** What the test asks for: the folder of its ledger, and how long the voyage sleeps. */
export interface Voyage {
  readonly folder: string;
  readonly steps: number;
  readonly sleepMs: number;
  /** The message that is queued while the first one is worked on. */
  readonly isFollowUp?: boolean;
}

/** Makes every durable call there is, and writes the effect of each step into the ledger. */
export default defineAgent({
  card: { name: 'Voyage', description: 'Calls at every port.', defaultInputModes: ['application/json'] },
  retry: { attempts: 1 },
  async run(task) {
    const voyage = walkOf(task) as Voyage;
    return voyage.isFollowUp ? goHome(task, voyage) : goOut(task, voyage);
  },
});

async function goOut(task: AgentTask, voyage: Voyage): Promise<string> {
  const key = await task.uuid();
  const dice = await task.random();
  const begun = await task.now();
  await task.status('Under way');
  const log = task.artifact({ name: 'log' });
  await log.append('set out;');
  const booked = await task.step('book', () => effect(voyage, 'book', { key, dice, begun }));
  await log.append('booked;');
  await task.step('board', { retry: { attempts: 3, initialDelay: 10 } }, () => board(voyage));
  await task.sleep(voyage.sleepMs);
  const legs = await sail(task, voyage);
  const port = await task.requestInput('Which port?');
  await task.step('steer', () => effect(voyage, 'steer'));
  const pilot = await task.waitFor('pilot');
  await task.step('follow', () => effect(voyage, 'follow'));
  const { message: errand } = await task.delegate('errand', { data: { ...voyage } });
  const papers = await task.requestAuth('May we land?');
  await task.step('moor', ({ signal }) => passGate(voyage, 2, signal).then(() => effect(voyage, 'moor')));
  await log.append('moored;');
  await log.close();
  const isSame = JSON.stringify(booked) === JSON.stringify({ key, dice, begun });
  const heard = [port, errand, papers].map((message) => message?.parts);
  return JSON.stringify({ isSame, legs, pilot, heard, attempt: task.attempt });
}

/** One branch sleeps between its steps, the other one emits. */
async function sail(task: AgentTask, voyage: Voyage) {
  return task.all({
    async ship(leg) {
      const loaded = await leg.step('load', () => effect(voyage, 'load', 1));
      await leg.sleep(voyage.sleepMs);
      return [loaded, await leg.step('unload', () => effect(voyage, 'unload', 2))];
    },
    async crew(leg) {
      const number = await leg.random();
      await leg.artifact({ name: 'roster' }).write('all aboard');
      return (await leg.step('count', () => effect(voyage, 'count', number))) === number;
    },
  });
}

async function goHome(task: AgentTask, voyage: Voyage): Promise<string> {
  await task.status('Homeward');
  await task.artifact({ name: 'souvenir' }).write('a shell');
  await task.step('return', () => effect(voyage, 'return'));
  return `Home after ${task.history.length} messages`;
}

/** Fails the first time that it is called, whichever process that is in. */
function board(voyage: Voyage): void {
  const missed = join(voyage.folder, 'missed');
  if (existsSync(missed)) return effect(voyage, 'board');
  writeFileSync(missed, '');
  throw new Error('missed the boat');
}

function effect(voyage: Voyage, name: string): void;
function effect<T>(voyage: Voyage, name: string, value: T): T;
function effect<T>(voyage: Voyage, name: string, value?: T): T | undefined {
  writeLine(voyage, name);
  return value;
}
