import { type ArtifactJson, type StreamResponseJson, type TaskStatusJson } from '#protocol';
import { artifactTexts, textOf } from '../event-text.js';
import { type End, endOf } from '../plan.js';
import { endName, isEnd } from '../task-end.js';
import { type Check, type ChaosHistory, type Send, type Violation } from './history.js';

/** Every task ends, as its plan says; the database and the last answer to a client agree on it. */
export const outcomes: Check = (history) => [...unfinished(history), ...wrongEnds(history)];

/** No end is followed by another state, neither in the database, nor in the log, nor in what clients are told. */
export const ends: Check = ({ client, database }) => {
  const violations: Violation[] = database.tampering.map(({ task, what }) => ({
    kind: 'end changed',
    task,
    fact: what,
  }));
  const told = new Map<string, string>();
  for (const { task, state } of client.answers) {
    const before = told.get(task);
    if (before !== undefined && before !== state)
      violations.push({ kind: 'end changed', task, fact: `told as ${before}, and later as ${state}` });
    else if (isEnd(state)) told.set(task, state);
  }
  return [...violations, ...logged(database.events)];
};

function unfinished({ database }: ChaosHistory): Violation[] {
  return database.tasks
    .filter(({ state }) => endName(state) === undefined)
    .map(({ id, agent, ...rest }) => ({ kind: 'unfinished', task: id, fact: `${agent}: ${JSON.stringify(rest)}` }));
}

function wrongEnds({ client, database }: ChaosHistory): Violation[] {
  const expected = expectedEnds(client.sends);
  const artifacts = foldedArtifacts(database.events);
  const stored = database.tasks.flatMap(({ id, state, status }) => {
    const words = textOf((JSON.parse(status) as TaskStatusJson).message?.parts);
    const found = { state: endName(state), words, artifacts: artifactTexts([...(artifacts.get(id)?.values() ?? [])]) };
    // One that has not ended is told of elsewhere.
    return found.state === undefined ? [] : mistakes(id, 'stored', expected.get(id), found);
  });
  const told = client.answers
    .filter((answer) => answer.artifacts !== undefined)
    .flatMap(({ task, ...found }) => mistakes(task, 'told', expected.get(task), found));
  return [...stored, ...told];
}

function expectedEnds(sends: readonly Send[]): Map<string, End> {
  const followed = new Set(sends.filter(({ tasks }) => tasks.length > 0).map(({ to }) => to));
  const made = sends.filter(({ to, tasks }) => to === undefined && tasks.length > 0);
  return new Map(made.map(({ plan, tasks: [task] }) => [task!, endOf(plan, followed.has(task))]));
}

function mistakes(
  task: string,
  how: string,
  expected: End | undefined,
  found: { state?: string; words?: string; artifacts?: Readonly<Record<string, string>> },
): Violation[] {
  // What a courier has delegated is not the client's to judge: the words come back in its own log.
  if (!expected) return [];
  const facts: string[] = [];
  const { state, words, artifacts } = expected;
  if (found.state !== state) facts.push(`${how} as ${found.state}, not ${state}`);
  if (words !== undefined && found.words !== words)
    facts.push(`${how} with the words "${found.words}", not "${words}"`);
  if (artifacts && sortedText(found.artifacts) !== sortedText(artifacts))
    facts.push(`${how} with ${sortedText(found.artifacts)}, not ${sortedText(artifacts)}`);
  return facts.map((fact) => ({ kind: 'wrong end', task, fact }));
}

function sortedText(artifacts: Readonly<Record<string, string>> = {}): string {
  return JSON.stringify(Object.entries(artifacts).sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** The artifacts of each task as its events leave them. */
function foldedArtifacts(events: ChaosHistory['database']['events']): Map<string, Map<string, ArtifactJson>> {
  const tasks = new Map<string, Map<string, ArtifactJson>>();
  for (const { task, event } of events) {
    if (!event.includes('"artifactUpdate"')) continue;
    const { artifact, append } = (JSON.parse(event) as StreamResponseJson).artifactUpdate!;
    const artifacts = tasks.get(task) ?? new Map<string, ArtifactJson>();
    tasks.set(task, artifacts);
    const before = append ? artifacts.get(artifact!.artifactId!) : undefined;
    const parts = [...(before?.parts ?? []), ...(artifact!.parts ?? [])];
    artifacts.set(artifact!.artifactId!, { ...artifact, name: before?.name ?? artifact!.name, parts });
  }
  return tasks;
}

/** Nothing stands in a log behind an end. */
function logged(events: ChaosHistory['database']['events']): Violation[] {
  const ended = new Map<string, number>();
  return events.flatMap(({ task, sequence, event }): Violation[] => {
    const end = ended.get(task);
    const state = event.includes('"statusUpdate"')
      ? (JSON.parse(event) as StreamResponseJson).statusUpdate?.status?.state
      : undefined;
    if (state !== undefined && isEnd(state)) ended.set(task, sequence);
    return end === undefined
      ? []
      : [{ kind: 'end changed', task, fact: `event ${sequence} follows the end, event ${end}` }];
  });
}
