import { type StreamResponseJson } from '#protocol';
import { eventText } from '../event-text.js';
import { grouped } from './grouped.js';
import { type Check, type ChaosHistory, type ReadStream, type StoredEvent, type Violation } from './history.js';

/** The log of every task goes 1, 2, 3 … to the row's own counter, and every reader reads just that, each event once. */
export const sequences: Check = ({ client, database }) => {
  const logs = grouped(database.events, ({ task }) => task);
  const gaps = logGaps(database, logs);
  const read = client.subscriptions.flatMap(({ task, binding, streams }) => {
    const log = logs.get(task) ?? [];
    let next: number | undefined;
    return streams.flatMap((stream, index) => {
      const facts = streamFacts(stream, next, log);
      next = (stream.events.at(-1)?.sequence ?? (next ?? 1) - 1) + 1;
      const where = `${binding}, stream ${index + 1}`;
      return facts.map((fact): Violation => ({ kind: 'gap', task, fact: `${where}: ${fact}` }));
    });
  });
  return [...gaps, ...read];
};

function logGaps({ tasks }: ChaosHistory['database'], logs: ReadonlyMap<string, readonly StoredEvent[]>): Violation[] {
  return tasks.flatMap(({ id, lastSequence }): Violation[] => {
    const numbers = (logs.get(id) ?? []).map(({ sequence }) => sequence);
    const isWhole = numbers.length === lastSequence && numbers.every((number, index) => number === index + 1);
    const fact = `the log has ${numbers.length} events up to ${numbers.at(-1)}, the row counts ${lastSequence}`;
    return isWhole ? [] : [{ kind: 'gap', task: id, fact }];
  });
}

/** @param next the number with which this stream has to go on, undefined where it is the first one. */
function streamFacts({ after, events }: ReadStream, next: number | undefined, log: readonly StoredEvent[]): string[] {
  const facts: string[] = [];
  let expected = after === undefined ? events[0]?.sequence : after + 1;
  if (next !== undefined && expected !== undefined && expected !== next)
    facts.push(`goes on with ${expected}, where ${next} comes next`);
  for (const [index, { sequence, says }] of events.entries()) {
    if (sequence !== expected) facts.push(`${sequence} stands where ${expected} belongs`);
    expected = sequence + 1;
    // What a stream begins with, where it was not asked to go on, is the task as it stands.
    if (index === 0 && after === undefined) continue;
    const stored = storedText(log[sequence - 1]);
    if (stored !== says) facts.push(`event ${sequence} says "${says}", the log has "${stored}"`);
  }
  return facts;
}

function storedText(stored: StoredEvent | undefined): string | undefined {
  return stored && eventText(JSON.parse(stored.event) as StreamResponseJson);
}
