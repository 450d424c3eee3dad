import { grouped } from './grouped.js';
import { type Check, type ChaosHistory, type HandlerNote, type StoredRecord, type Violation } from './history.js';

/**
 * Each step has one record, which every run gets to see, of an effect that there was. The effect itself may come twice where
 * a run is lost between the effect and its record, but never in a run that knew of the record, nor twice in one run.
 */
export const records: Check = (history) => {
  const steps = history.database.records.filter(({ kind }) => kind === 'step');
  const recorded = new Map(steps.map((record) => [stepKey(record.task, record.name!), record]));
  return [
    ...doubleRecords(steps),
    ...withoutEffect(steps, history.handler),
    ...otherResults(recorded, history.handler),
    ...effectsTwiceInARun(history.handler),
    ...effectsAfterTheRecord(history),
  ];
};

function doubleRecords(steps: readonly StoredRecord[]): Violation[] {
  const groups = grouped(steps, ({ task, name }) => stepKey(task, name!));
  return [...groups.values()]
    .filter((group) => group.length > 1)
    .map((group) => doubled(group[0]!.task, `the step "${group[0]!.name}" has ${group.length} records`));
}

function withoutEffect(steps: readonly StoredRecord[], notes: readonly HandlerNote[]): Violation[] {
  const effects = new Set(notes.filter(({ kind }) => kind === 'effect').map(({ effect }) => effect));
  return steps
    .filter(({ value }) => !effects.has(JSON.parse(value!) as string))
    .map(({ task, name, value }) => doubled(task, `the step "${name}" has the record ${value} of no effect`));
}

function otherResults(recorded: ReadonlyMap<string, StoredRecord>, notes: readonly HandlerNote[]): Violation[] {
  return notes
    .filter(({ kind }) => kind === 'recorded')
    .filter(({ task, step, effect }) => recorded.get(stepKey(task, step!))?.value !== JSON.stringify(effect))
    .map(({ task, step, effect, run }) => {
      const value = recorded.get(stepKey(task, step!))?.value;
      return doubled(task, `the run ${run} has "${effect}" of the step "${step}", the record is ${value}`);
    });
}

function effectsTwiceInARun(notes: readonly HandlerNote[]): Violation[] {
  const effects = notes.filter(({ kind }) => kind === 'effect');
  return [...grouped(effects, ({ run, step }) => stepKey(run!, step!)).values()]
    .filter((group) => group.length > 1)
    .map(([first]) => doubled(first!.task, `the run ${first!.run} did the step "${first!.step}" twice`));
}

/**
 * A run that begins after a record, and holds the lease, has read it. Whether it held the lease is told by what it wrote:
 * a process that stood still may begin a run that is over already, and nothing of that run is written.
 */
function effectsAfterTheRecord({ handler, database }: ChaosHistory): Violation[] {
  const begun = new Map(handler.filter(({ kind }) => kind === 'run').map(({ run, atMs }) => [run, atMs]));
  const firstRecorded = new Map<string, HandlerNote>();
  for (const note of handler.filter(({ kind }) => kind === 'recorded').sort((a, b) => a.atMs - b.atMs)) {
    const key = stepKey(note.task, note.step!);
    if (!firstRecorded.has(key)) firstRecorded.set(key, note);
  }
  const suspects = handler.filter(({ kind, task, step, run }) => {
    const record = firstRecorded.get(stepKey(task, step ?? ''));
    return kind === 'effect' && record !== undefined && record.run !== run && begun.get(run)! > record.atMs;
  });
  const authors = new Set(suspects.length > 0 ? database.events.map(({ event }) => authorOf(event)) : []);
  return suspects
    .filter(({ run }) => authors.has(run))
    .map(({ task, step, run }) => doubled(task, `the run ${run} did the step "${step}", which was recorded before`));
}

/** The run that an event's text names; undefined where the engine itself wrote it. */
export function authorOf(event: string): string | undefined {
  return /"run":\s?"([^"]+)"/.exec(event)?.[1];
}

function stepKey(owner: string, step: string): string {
  return `${owner} ${step}`;
}

function doubled(task: string, fact: string): Violation {
  return { kind: 'doubled', task, fact };
}
