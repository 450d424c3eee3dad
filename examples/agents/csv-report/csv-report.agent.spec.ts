import { readFile } from 'node:fs/promises';
import { expect, it } from 'vitest';
import { Rehearsal, say } from '../../support/rehearsal.js';
import agent from './csv-report.agent.js';

const sample = await readFile(new URL('sales.csv', import.meta.url), 'utf8');

it('writes one report, chunk by chunk, with a section for every column', async () => {
  const rehearsal = new Rehearsal(agent, { message: say(sample) });
  expect(await rehearsal.play()).toBe('The report covers 8 rows and 5 columns.');
  expect(rehearsal.statuses).toEqual([1, 2, 3, 4, 5].map((index) => `Column ${index} of 5`));
  const [report] = rehearsal.artifacts;
  expect(report).toMatchObject({ name: 'report.md', mediaType: 'text/markdown', closed: true });
  expect(report!.chunks).toHaveLength(6);
  const text = rehearsal.artifactText(0);
  expect(text).toMatch(
    /^# Report on your data\n\n8 rows, 5 columns.\n\n## date\n\n\|  \| value \|\n\| --- \| ---: \|\n/,
  );
  expect(text).toContain(
    '## region\n\n|  | value |\n| --- | ---: |\n| count | 7 |\n| missing | 1 |\n| distinct | 3 |\n',
  );
  expect(text).toContain('| most frequent | rows | share |\n| --- | ---: | ---: |\n| North | 3 | 42.9 % |\n');
  expect(text).toContain('| mean | 98.4357 |\n| median | 89 |\n| standard deviation | 110.2702 |');
});

it('gives the same report after a crash at any point, and computes no column twice', async () => {
  const smooth = new Rehearsal(agent, { message: say(sample) });
  await smooth.play();
  for (let crashBefore = 0; crashBefore < smooth.callsMade; crashBefore++) {
    const rehearsal = new Rehearsal(agent, { message: say(sample), crashBefore });
    await rehearsal.play();
    expect(rehearsal.artifacts, `crash before call ${crashBefore}`).toEqual(smooth.artifacts);
    expect(rehearsal.stepsRun).toEqual(smooth.stepsRun);
  }
});

it('lets nothing in the CSV become Markdown or HTML', async () => {
  const rehearsal = new Rehearsal(agent, { message: say('a\n"<b>|\n[x](http://y)"\n') });
  await rehearsal.play();
  expect(rehearsal.artifactText(0)).toContain('| \\<b\\>\\| \\[x\\]\\(http://y\\) | 1 | 100.0 % |');
});

it('rejects a delay that is out of bounds', async () => {
  for (const delayMs of [-1, 10_001, 'long']) {
    const rehearsal = new Rehearsal(agent, { message: say(sample), metadata: { delayMs } });
    await expect(rehearsal.play()).rejects.toThrow("The metadata's delayMs must be a number from 0 to 10000.");
  }
});
