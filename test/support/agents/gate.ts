import { appendFileSync, existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { type AgentTask } from 'perdure';

/** What the test asks for: so many steps, each of which stops at a gate in the folder. */
export interface Walk {
  readonly folder: string;
  readonly steps: number;
  /** The process that stands still as a whole at its gates. */
  readonly blocked?: number;
  /** Sleeps after each step. */
  readonly sleeps?: boolean;
}

export function walkOf({ message }: AgentTask): Walk {
  return message.parts![0]!.data as unknown as Walk;
}

/** Says that a run of this process stands at the gate, and waits until it is open. */
export async function passGate({ folder }: Walk, step: number, signal: AbortSignal): Promise<void> {
  arrive(folder, step);
  while (!isOpen(folder, step)) await pause(10, undefined, { signal });
}

/** The same, standing on the process' event loop: nothing else in it goes on, and no signal is heard. */
export function blockAtGate({ folder }: Walk, step: number): void {
  arrive(folder, step);
  const nothing = new Int32Array(new SharedArrayBuffer(4));
  while (!isOpen(folder, step)) Atomics.wait(nothing, 0, 0, 10);
}

/** The effect of a step, outside of the server: a line that stays. */
export function writeLine({ folder }: Walk, line: string): void {
  appendFileSync(join(folder, 'ledger'), `${line}\n`);
}

function arrive(folder: string, step: number): void {
  writeFileSync(join(folder, `reached-${step}-${process.pid}`), '');
}

/** For every process, or for this one. */
function isOpen(folder: string, step: number): boolean {
  return [`open-${step}`, `open-${step}-${process.pid}`].some((name) => existsSync(join(folder, name)));
}
