import { isTerminal, type State, type Task } from './state.js';

/** A promise that holds in each state. */
export interface Law {
  readonly name: string;
  holds(state: State): boolean;
}

const everyTask =
  (holds: (task: Task, state: State) => boolean) =>
  (state: State): boolean =>
    state.tasks.every((task) => holds(task, state));

/** Laws that an action breaks: it notes so in the state, which alone would not show it. */
const noted = (name: string): Law => ({ name, holds: ({ broken }) => !broken.includes(name) });

export const LAWS: readonly Law[] = [
  noted('one writer at a time'),
  noted('a holder that renews keeps its lease'),
  noted('an end is final'),
  noted('events are numbered without gaps'),
  noted('a recorded step is not done again'),
  noted('what is canceled is cleaned up, and nothing else'),
  noted('a clean-up that is done is not begun again'),
  noted('a repeated call gives the same task'),
  noted('a drained process leaves no lease behind'),
  noted('a signal ends no lease'),
  {
    name: "the row counts the task's events",
    holds: everyTask(({ sequence, events }) => sequence === events.length),
  },
  {
    name: 'a result is recorded once',
    holds: everyTask(({ records }) => new Set(records).size === records.length),
  },
  {
    name: 'an accepted message is committed',
    holds: ({ answers, tasks }) =>
      answers.every((each) => each.every((told, m) => typeof told !== 'number' || tasks[told]?.keys.includes(m))),
  },
  {
    name: 'a key stands for one task',
    holds: ({ tasks }) => new Set(tasks.map(({ client }) => client)).size === tasks.length,
  },
  {
    name: 'no turn asks or completes while a message is unseen',
    holds: everyTask(({ state, seen, inputs }) => (state !== 'completed' && state !== 'asks') || seen === inputs),
  },
  {
    name: 'what has ended or waits for its client holds no lease',
    holds: everyTask(
      ({ state, owned, runAt }) =>
        (state !== 'asks' && state !== 'completed' && state !== 'failed') || (!owned && runAt === 'none'),
    ),
  },
  {
    name: 'what goes on is due some time, or waits for a signal',
    holds: everyTask(
      ({ runAt, state, listens }) => runAt !== 'none' || isTerminal(state) || state === 'asks' || listens,
    ),
  },
  {
    name: 'a signal is taken once',
    holds: everyTask(({ taken }) => new Set(taken).size === taken.length),
  },
  {
    name: 'nobody waits for a signal that is there',
    holds: everyTask(({ listens, owned, signals, taken }) => !listens || owned || signals === taken.length),
  },
  {
    name: 'what is due and held by nobody has a job, unless the queue lost one',
    holds: everyTask(
      ({ owned, runAt, outbox, queue }, { left }) =>
        owned || runAt === 'none' || outbox + queue > 0 || left.lostJob === 0,
    ),
  },
  {
    name: "attempts count the turn's own failures",
    holds: everyTask(({ attempt, failures }) => attempt === failures),
  },
  {
    name: 'a turn begins with a message that is there',
    holds: everyTask(({ turnInput, inputs }) => turnInput <= inputs),
  },
];

/** What every state has to lead to by what the system does by itself: nothing accepted is left undone. */
export const SETTLES = 'whatever has happened, every task still settles';

export function isSettled({ tasks }: State): boolean {
  return tasks.every(
    ({ state, runAt, listens }) => runAt === 'none' && (isTerminal(state) || state === 'asks' || listens),
  );
}
