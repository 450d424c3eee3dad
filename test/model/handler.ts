import { note } from './statements.js';
import { type Run, type Setting, type State, type Write } from './state.js';

/** What a handler's calls hand to the committer. */

/** A run that finds SUBMITTED says first that it works. */
export function emitWorking(run: Run): void {
  write(run, { events: 1, state: 'working', then: 'nothing' });
}

/** What the next call is, those passed over that are recorded or answered. */
function nextCall(run: Run, script: Setting['script']): { position: number; consumed: number } {
  let { position, consumed } = run;
  for (; position <= script.length; position++) {
    const asks = script[position - 1] === 'ask';
    if (asks ? consumed >= run.known : !run.recorded.includes(position)) break;
    if (asks) consumed++;
  }
  return { position, consumed };
}

/** Emissions run ahead of their commits, and so does the settlement; a step waits for what was emitted before it. */
export function runsAhead(run: Run, script: Setting['script']): boolean {
  return script[nextCall(run, script).position - 1] !== 'step';
}

export function callNext(state: State, run: Run, script: Setting['script']): void {
  Object.assign(run, nextCall(run, script));
  const { position, consumed: inputs } = run;
  const record = run.recorded.includes(position) ? undefined : position;
  switch (script[position - 1]) {
    case 'status':
      write(run, { events: 1, state: 'working', record, then: 'nothing' });
      run.position++;
      break;
    case 'step':
      noteStep(state, run);
      write(run, { events: 0, record, then: 'next' });
      break;
    case 'sleep':
      write(run, { events: 0, record, then: 'nothing' });
      write(run, { events: 0, release: true, due: true, then: 'end' });
      break;
    case 'ask':
      write(run, { events: 1, state: 'asks', record, release: true, inputs, then: 'end' });
      break;
    case 'wait':
    case 'waitInTime':
      waitForSignal(state, run, script[position - 1] === 'waitInTime');
      break;
    case undefined:
      write(run, { events: 1, state: 'completed', release: true, inputs, then: 'end' });
  }
}

/** Added to the position of a wait: where the time is recorded at which it ends. */
const TIME = 100;

/**
 * RunSignals#next: takes the oldest signal that no record has taken, or rests until another comes. A wait whose time was
 * recorded by an earlier run is over where there is none, as a sleep is.
 */
function waitForSignal(state: State, run: Run, inTime: boolean): void {
  const { signals, taken } = state.tasks[run.task]!;
  const takes = Array.from({ length: signals }, (_, i) => i + 1).find((signal) => !taken.includes(signal));
  const time = run.position + TIME;
  const isOver = inTime && run.recorded.includes(time);
  if (takes !== undefined || isOver) return write(run, { events: 0, record: run.position, takes, then: 'next' });
  if (inTime) write(run, { events: 0, record: time, then: 'nothing' });
  write(run, { events: 0, release: true, listens: true, due: inTime, signals, then: 'end' });
}

function noteStep(state: State, run: Run): void {
  const { epoch, records } = state.tasks[run.task]!;
  if (epoch === run.epoch && records.includes(`${run.turn}.${run.position}`))
    note(state, 'a recorded step is not done again');
}

/** RunWriter#append and #commitSettlement: the next base is known before this write is committed. */
export function write(run: Run, parts: Omit<Write, 'base'>): void {
  run.writes.push({ base: run.sequence, ...parts });
  run.sequence += parts.events;
  if (parts.then !== 'nothing') run.phase = 'waiting';
}
