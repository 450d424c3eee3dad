import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, it } from 'vitest';
import { Rehearsal, say } from '../../support/rehearsal.js';
import { release } from './release.agent.js';

const STEPS = ['build', 'test', 'upload', 'announce', 'read the log'];
const played: string[] = [];
afterEach(async () => {
  await Promise.all(played.map((id) => rm(join(tmpdir(), 'perdure-release', `${id}.jsonl`), { force: true })));
});

function rehearse(crashBefore?: number): Rehearsal {
  const rehearsal = new Rehearsal(release(1), { message: say('Version 1.4'), crashBefore });
  played.push(rehearsal.id);
  return rehearsal;
}

it('releases step by step, and says who did what', async () => {
  const rehearsal = rehearse();
  expect(await rehearsal.play()).toBe('Released.');
  expect(rehearsal.statuses).toEqual([
    '1 of 4, build',
    '2 of 4, test',
    '3 of 4, upload',
    'Waiting for the mirrors',
    '4 of 4, announce',
  ]);
  expect(rehearsal.stepsRun).toEqual(STEPS);
  const rows = ['build', 'test', 'upload', 'announce'].map((step) => `\\| ${step} \\| ${process.pid} \\| 20\\S+Z \\|`);
  expect(rehearsal.artifactText(0)).toMatch(new RegExp(`\\n${rows.join('\\n')}$`));
});

it('repeats no step wherever its process dies', async () => {
  const undisturbed = rehearse();
  await undisturbed.play();
  for (let call = 0; call < undisturbed.callsMade; call++) {
    const rehearsal = rehearse(call);
    expect(await rehearsal.play()).toBe('Released.');
    expect(rehearsal.stepsRun).toEqual(STEPS);
  }
});
