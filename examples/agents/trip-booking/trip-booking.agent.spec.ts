import { existsSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, it, vi } from 'vitest';
import type { CanceledTask } from 'perdure';
import { Rehearsal, say } from '../../support/rehearsal.js';
import agent from './trip-booking.agent.js';
import { TravelDesk } from './travel-desk.js';

const trip = 'Lisbon, 2027-05-01 to 2027-05-05';
const fileOf = (rehearsal: Rehearsal, state: string) =>
  join(tmpdir(), 'perdure-travel-desk', `${rehearsal.id}.${state}.json`);

const rehearsals: Rehearsal[] = [];
afterEach(async () => {
  vi.restoreAllMocks();
  const files = rehearsals.flatMap((rehearsal) => [fileOf(rehearsal, 'held'), fileOf(rehearsal, 'booked')]);
  await Promise.all(files.map((file) => rm(file, { force: true })));
});

function rehearse(answers: string[], crashBefore?: number): Rehearsal {
  return remember(new Rehearsal(agent, { message: say('I need a trip'), answers: answers.map(say), crashBefore }));
}

function remember(rehearsal: Rehearsal): Rehearsal {
  rehearsals.push(rehearsal);
  return rehearsal;
}

it('asks for the trip, the choice and the approval, and books', async () => {
  const rehearsal = rehearse([trip, '2', 'approve']);
  expect(await rehearsal.play()).toMatch(
    /^Booked: Old Town House, Lisbon, 4 nights with flight, 2027-05-01 to 2027-05-05\. Your reference is [0-9A-F]{8}\.$/,
  );
  expect(rehearsal.questions.map(({ kind }) => kind)).toEqual(['input', 'input', 'auth']);
  expect(rehearsal.stepsRun).toEqual(['find offers', 'hold', 'book']);
  expect(rehearsal.artifacts).toMatchObject([
    { name: 'itinerary.json', closed: true, chunks: [{ data: { destination: 'Lisbon', nights: 4, currency: 'EUR' } }] },
  ]);
  expect(existsSync(fileOf(rehearsal, 'booked'))).toBe(true);
});

it('books the same after a crash at any point, and takes no step twice', async () => {
  const { callsMade } = await played(rehearse([trip, '1', 'yes']));
  for (let crashBefore = 0; crashBefore < callsMade; crashBefore++) {
    const rehearsal = await played(rehearse([trip, '1', 'yes'], crashBefore));
    expect(rehearsal.stepsRun, `crash before call ${crashBefore}`).toEqual(['find offers', 'hold', 'book']);
    expect(rehearsal.questions).toHaveLength(3);
    expect(rehearsal.artifacts).toHaveLength(1);
  }
});

it('does not ask what the first message says already', async () => {
  const data = { destination: 'Oslo', from: '2027-01-01', to: '2027-01-02' };
  const message = { messageId: '1', role: 'ROLE_USER' as const, parts: [{ data }] };
  const answers = [{ messageId: '2', role: 'ROLE_USER' as const, parts: [{ data: { offer: 3 } }] }, say('Yes!')];
  const rehearsal = remember(new Rehearsal(agent, { message, answers }));
  expect(await rehearsal.play()).toContain('Grand View, Oslo, 1 nights');
  expect(rehearsal.questions).toHaveLength(2);
});

it('asks again when an answer says nothing it can use, and gives up in the end', async () => {
  const unclear = ['Lisbon', 'Lisbon, 2027-02-30 to 2027-03-02', 'Lisbon, 2027-05-05 to 2027-05-01'];
  const rehearsal = rehearse([...unclear, trip, '9', '1', 'maybe', 'approve']);
  expect(await rehearsal.play()).toContain('Booked: Harbour Rooms');
  await expect(rehearse(['a', 'b', 'c', 'd', 'e']).play()).rejects.toMatchObject({ name: 'Reject' });
});

it.each([[['cancel']], [[trip, 'no']], [[trip, '1', 'Cancel.']]])('books nothing after %j', async (answers) => {
  const rehearsal = rehearse(answers);
  expect(await rehearsal.play()).toBe('All right, nothing is booked.');
  expect(existsSync(fileOf(rehearsal, 'held'))).toBe(false);
  expect(existsSync(fileOf(rehearsal, 'booked'))).toBe(false);
});

it('releases what it holds when the task is canceled', async () => {
  const rehearsal = rehearse([trip, '1']);
  await expect(rehearsal.play()).rejects.toThrow('nobody answers');
  expect(existsSync(fileOf(rehearsal, 'held'))).toBe(true);
  const log = { info: () => undefined };
  await agent.onCancel?.({ id: rehearsal.id, log } as unknown as CanceledTask);
  expect(existsSync(fileOf(rehearsal, 'held'))).toBe(false);
});

it('fails for good when the hold is gone before the approval', async () => {
  vi.spyOn(TravelDesk.prototype, 'book').mockResolvedValue(undefined);
  await expect(rehearse([trip, '1', 'approve']).play()).rejects.toMatchObject({ name: 'Fail' });
});

async function played(rehearsal: Rehearsal): Promise<Rehearsal> {
  await rehearsal.play();
  return rehearsal;
}
