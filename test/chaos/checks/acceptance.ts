import { type Check, type ChaosHistory, type Send, type Violation } from './history.js';

/** Every message is taken in the end, by one task, which is there; and no answer says anything but that or "not now". */
export const acceptance: Check = (history) => {
  const stored = new Set(history.database.tasks.map(({ id }) => id));
  return [...refused(history), ...history.client.sends.flatMap((send) => sendViolations(send, stored))];
};

/** What answers and the history of the tasks say of each key: one key, one task, and the message once in it. */
export const idempotency: Check = ({ client, database }) => {
  const homes = new Map<string, string[]>();
  for (const { messageId, task } of database.inputs) homes.set(messageId, [...(homes.get(messageId) ?? []), task]);
  return client.sends.flatMap(({ key, tasks, to, isTooLate }): Violation[] => {
    const kind = 'two tasks under a key';
    const stored = homes.get(key) ?? [];
    const found: Violation[] = [];
    if (tasks.length > 1)
      found.push({ kind, task: tasks[0], fact: `the key ${key} was answered with ${tasks.join(' and ')}` });
    if (stored.length > 1)
      found.push({ kind, task: stored[0], fact: `the message ${key} stands in ${stored.join(' and ')}` });
    if (tasks[0] && stored[0] && tasks[0] !== stored[0])
      found.push({ kind, task: tasks[0], fact: `the message ${key} stands in ${stored[0]}` });
    if (to && tasks[0] && tasks[0] !== to)
      found.push({ kind, task: to, fact: `the answer to ${key} named ${tasks[0]}` });
    if (isTooLate && stored.length > 0)
      found.push({ kind, task: to, fact: `the message ${key} was refused and is there` });
    return found;
  });
};

function refused({ client }: ChaosHistory): Violation[] {
  return client.refusals.map(({ call, task, error }) => ({ kind: 'refused', task, fact: `${call}: ${error}` }));
}

function sendViolations({ key, plan, tasks, isTooLate, to }: Send, stored: ReadonlySet<string>): Violation[] {
  if (tasks.length === 0)
    return isTooLate
      ? []
      : [{ kind: 'unanswered', task: to, fact: `the message ${key} (${plan.journey}) was never taken` }];
  return tasks
    .filter((task) => !stored.has(task))
    .map((task) => ({ kind: 'lost', task, fact: `accepted under the key ${key}, and not in the database` }));
}
