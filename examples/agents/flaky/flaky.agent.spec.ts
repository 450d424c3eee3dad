import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, it, vi } from 'vitest';
import { Rehearsal, say } from '../../support/rehearsal.js';
import agent from './flaky.agent.js';

const played: string[] = [];
afterEach(async () => {
  vi.restoreAllMocks();
  await Promise.all(played.map((id) => rm(join(tmpdir(), 'perdure-flaky', `${id}.jsonl`), { force: true })));
});

function rehearse(): Rehearsal {
  const rehearsal = new Rehearsal(agent, { message: say('Go') });
  played.push(rehearsal.id);
  return rehearsal;
}

it('runs every step once, however often it fails between them', async () => {
  const chances = [0, 1, 0, 1, 1, 0];
  vi.spyOn(Math, 'random').mockImplementation(() => chances.shift() ?? 1);
  const rehearsal = rehearse();
  expect(await rehearsal.play()).toBe('Done in attempt 4.');
  expect(rehearsal.stepsRun).toEqual(['fetch', 'convert', 'deliver', 'read the log']);
  const text = rehearsal.artifactText(0);
  expect(text).toMatch(/\| fetch \| 1 \| 20\S+Z \|\n\| convert \| 2 \| 20\S+Z \|\n\| deliver \| 3 \| 20\S+Z \|/);
  expect(text).toContain('Runs of each step: fetch: 1, convert: 1, deliver: 1');
});

it('gets there within its attempts even when luck never turns', async () => {
  vi.spyOn(Math, 'random').mockReturnValue(0);
  expect(await rehearse().play()).toBe('Done in attempt 9.');
});
