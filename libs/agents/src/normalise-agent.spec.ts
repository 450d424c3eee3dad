import { expect, it } from 'vitest';
import type { AgentDefinition } from './define-agent.js';
import { normaliseAgent } from './normalise-agent.js';

const defaults = { retryAttempts: 3, retryInitialDelayMs: 1_000, retryMaxDelayMs: 300_000, runTimeoutMs: 1_800_000 };
const minimal: AgentDefinition = { card: { name: 'Echo', description: 'Says it again' }, run: () => 'x' };

/** As it comes from a file: of any shape, whatever the types say. */
function normalise(definition: object, name = 'echo') {
  return normaliseAgent(definition as AgentDefinition, { name, path: `/agents/${name}.agent.ts` }, defaults);
}

it('fills in everything an author may leave out', () => {
  const { agent, problems } = normalise(minimal);
  expect(problems).toEqual([]);
  expect(agent).toMatchObject({
    id: 'echo',
    source: '/agents/echo.agent.ts',
    retry: { attempts: 3, initialDelayMs: 1_000, maxDelayMs: 300_000 },
    timeoutMs: 1_800_000,
    deadlineMs: undefined,
    inactivityMs: undefined,
    followUps: 'queue',
    concurrency: undefined,
    listed: true,
    default: false,
  });
  expect(agent?.card).toEqual({
    name: 'Echo',
    description: 'Says it again',
    version: '1.0.0',
    skills: [{ id: 'echo', name: 'Echo', description: 'Says it again', tags: ['echo'] }],
  });
});

it('keeps what the author says, in milliseconds', () => {
  const { agent } = normalise({
    ...minimal,
    id: 'Reports_2',
    retry: { attempts: 5, initialDelay: '250ms', maxDelay: 2_000 },
    timeout: '30m',
    deadline: '90d',
    inactivity: '90s',
    followUps: 'interrupt',
    concurrency: 50,
    default: true,
  });
  expect(agent).toMatchObject({
    id: 'Reports_2',
    retry: { attempts: 5, initialDelayMs: 250, maxDelayMs: 2_000 },
    timeoutMs: 1_800_000,
    deadlineMs: 90 * 86_400_000,
    inactivityMs: 90_000,
    followUps: 'interrupt',
    concurrency: 50,
    default: true,
  });
});

it('lets a delay that is given alone win over the default of the other', () => {
  expect(normalise({ ...minimal, retry: { initialDelay: '10m' } }).agent?.retry).toMatchObject({
    initialDelayMs: 600_000,
    maxDelayMs: 600_000,
  });
  expect(normalise({ ...minimal, retry: { maxDelay: '100ms' } }).agent?.retry).toMatchObject({
    initialDelayMs: 100,
    maxDelayMs: 100,
  });
});

it('names every wrong field at once, with what it wants and what it got', () => {
  const { agent, problems } = normalise({
    id: 'a b',
    card: { name: '', description: 'd' },
    retry: { attempts: 'x', initialDelay: 'soon', tries: 3 },
    timeout: '40d',
    deadline: -1,
    inactivity: 'never',
    followUps: 'later',
    concurrency: 1.5,
    default: 'yes',
    onCancel: 'nothing',
    timout: '5s',
  });
  expect(agent).toBeUndefined();
  expect(problems).toEqual([
    'timout is not known here; there are id, card, retry, timeout, deadline, inactivity, followUps, concurrency, listed, default, respond, run, onCancel',
    'run is missing',
    'onCancel must be a function, not "nothing"',
    'id must be 1 to 64 letters, digits, _ or -, not "a b"',
    'retry.tries is not known here; there are attempts, initialDelay, maxDelay',
    'retry.attempts must be a whole number from 1 to 100, not "x"',
    'retry.initialDelay must be a time span from 0ms to 24d such as 250ms, 5s, 10m or 24h, not "soon"',
    'timeout must be a time span from 1ms to 24d such as 250ms, 5s, 10m or 24h, not "40d"',
    'deadline must be a time span from 1ms to 3650d such as 250ms, 5s, 10m or 24h, not -1',
    'inactivity must be a time span from 1ms to 24d such as 250ms, 5s, 10m or 24h, not "never"',
    'followUps must be one of queue, reject, interrupt, not "later"',
    'concurrency must be a whole number from 1 to 10000, not 1.5',
    'default must be true or false, not "yes"',
    'card.name is required and must not be empty',
    'card.skills[0].name is required and must not be empty',
  ]);
});

it('refuses delays that contradict each other', () => {
  expect(normalise({ ...minimal, retry: { initialDelay: '2s', maxDelay: '1s' } }).problems).toEqual([
    'retry.initialDelay must not be longer than retry.maxDelay',
  ]);
});

it('asks for an id where the name of the file cannot be one', () => {
  expect(normalise(minimal, 'my agent').problems).toEqual([
    'id is missing, and the file\'s name "my agent" cannot stand for it: an id is 1 to 64 letters, digits, _ or -',
  ]);
  expect(normalise({ ...minimal, id: 'mine' }, 'my agent').agent?.id).toBe('mine');
});

it('refuses card fields that the server fills in, and says why', () => {
  const card = { ...minimal.card, supportedInterfaces: [], signatures: [], capabilities: { extendedAgentCard: true } };
  expect(normalise({ ...minimal, card }).problems).toEqual([
    'card.supportedInterfaces is filled in by the server: it knows its own addresses',
    'card.signatures is filled in by the server: it signs the card it serves',
    'card.capabilities.extendedAgentCard is filled in by the server: it is the same for every agent',
  ]);
});

it.each([
  [undefined, /^card is no AgentCard: /],
  ['a name', /^card is no AgentCard: /],
  [{ ...minimal.card, colour: 'red' }, /^card is no AgentCard: key "colour" is unknown/],
  [{ ...minimal.card, version: 2 }, /^card is no AgentCard: .*version/],
  [{ ...minimal.card, skills: [{ id: 'a', nmae: 'A' }] }, /^card is no AgentCard: .*"nmae" is unknown/],
  [{ ...minimal.card, capabilities: 'all' }, /^card is no AgentCard: /],
  [{ ...minimal.card, provider: 1n }, /^card is no AgentCard: .*BigInt/],
])('refuses a card that is no AgentCard: %o', (card, problem) => {
  const { agent, problems } = normalise({ ...minimal, card });
  expect(agent).toBeUndefined();
  expect(problems).toEqual([expect.stringMatching(problem)]);
});

it('demands of a skill what the protocol demands', () => {
  const card = { ...minimal.card, skills: [{ id: 'a', name: 'A' }], defaultInputModes: [] };
  expect(normalise({ ...minimal, card }).problems).toEqual([
    'card.defaultInputModes must have at least one element',
    'card.skills[0].description is required and must not be empty',
    'card.skills[0].tags must have at least one element',
  ]);
});

it('leaves out card fields that are undefined', () => {
  expect(normalise({ ...minimal, card: { ...minimal.card, iconUrl: undefined } }).problems).toEqual([]);
});

it('keeps the definition as `this` of its functions', async () => {
  class Greeter implements AgentDefinition {
    card = { name: 'Greeter', description: 'Greets' };
    respond = undefined;
    run() {
      return `I am ${this.card.name}`;
    }
  }
  const { agent } = normalise(new Greeter());
  expect(await agent!.run({} as Parameters<AgentDefinition['run']>[0])).toBe('I am Greeter');
});
