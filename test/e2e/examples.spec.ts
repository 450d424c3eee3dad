import { execFile } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { beforeAll, describe, expect, it } from 'vitest';
import { type PartJson, type TaskJson } from '#protocol';
import { EXAMPLE_AGENTS } from '../support/agent-folders.js';
import { useServers } from '../support/in-process-server.js';
import { type Content, type JsonRpcClient } from '../support/json-rpc.js';
import { stateOf } from '../support/sse-client.js';

const servers = useServers(1);
const run = promisify(execFile);

function words({ status }: TaskJson): string {
  return (status?.message?.parts ?? []).map(({ text }) => text).join('');
}

function textOf({ artifacts = [] }: TaskJson, index = 0): string {
  return (artifacts[index]?.parts ?? []).map(({ text }) => text).join('');
}

describe('echo', () => {
  it('gives every part back as it came', async () => {
    const parts: PartJson[] = [
      { text: 'Hello' },
      { data: { a: [1, 'two', null] } },
      { raw: 'AAEC', filename: 'a.bin', mediaType: 'application/octet-stream' },
      { url: 'https://example.com/a.png', mediaType: 'image/png', metadata: { size: 3 } },
    ];
    const task = await servers.rpc('echo').send(parts);
    expect(task.status).toMatchObject({ state: 'TASK_STATE_COMPLETED', message: { parts } });
    expect(task).not.toHaveProperty('artifacts');
  });
});

describe('csv-report', () => {
  const CSV = 'region,amount\nNorth,12.5\nSouth,7\nNorth,\n';
  let client: JsonRpcClient;
  beforeAll(() => {
    client = servers.rpc('csv-report');
  });

  it.each<[string, Content]>([
    ['a text', CSV],
    ['a file', [{ raw: Buffer.from(CSV).toString('base64'), filename: 'sales.csv', mediaType: 'text/csv' }]],
    ['a text beside a file', [{ text: 'Please' }, { raw: Buffer.from(CSV).toString('base64'), filename: 'sales.csv' }]],
    [
      'a list of objects',
      { data: [{ region: 'North', amount: 12.5 }, { region: 'South', amount: 7 }, { region: 'North' }] },
    ],
    [
      'a list of rows',
      {
        data: [
          ['region', 'amount'],
          ['North', 12.5],
          ['South', 7],
          ['North', null],
        ],
      },
    ],
    ['a CSV as data', { data: { csv: CSV } }],
    ['a text with semicolons', CSV.replaceAll(',', ';')],
  ])('reports on %s', async (_, content) => {
    const task = await client.send(content);
    expect(task.status?.state).toBe('TASK_STATE_COMPLETED');
    expect(words(task)).toBe('The report covers 3 rows and 2 columns.');
    expect(task.artifacts).toHaveLength(1);
    expect(task.artifacts![0]).toMatchObject({
      name: 'report.md',
      parts: [{ mediaType: 'text/markdown' }, {}, {}, {}],
    });
    const report = textOf(task);
    expect(report).toMatch(/^# Report on .+\n\n3 rows, 2 columns\.\n/);
    expect(report).toContain('## region');
    expect(report).toContain('| North | 2 | 66.7 % |');
    expect(report).toMatch(/## amount\n\n(.*\n)+\| missing \| 1 \|\n(.*\n)+\| mean \| 9\.75 \|/);
  });

  it('streams a status and a section for each column', async () => {
    const events = await (await client.stream(CSV)).all();
    const told = events.map(({ response: { artifactUpdate, statusUpdate } }) =>
      artifactUpdate
        ? `artifact${artifactUpdate.append ? '+' : ''}${artifactUpdate.lastChunk ? '.' : ''}`
        : (statusUpdate?.status?.message?.parts?.[0]?.text ?? stateOf(events[0]!) ?? ''),
    );
    expect(told.slice(2)).toEqual([
      'artifact',
      'Column 1 of 2',
      'artifact+',
      'Column 2 of 2',
      'artifact+',
      'artifact+.',
      'The report covers 3 rows and 2 columns.',
    ]);
  });

  it.each<[string, Content, RegExp]>([
    ['a broken CSV', 'a,b\n1,"2', /cannot be read/],
    ['rows of different lengths', 'a,b\n1,2,3', /cannot be read/],
    ['nothing but a header', 'a,b', /header and at least one row/],
    ['a file that is no text', [{ raw: Buffer.from([0xff, 0xfe, 0]).toString('base64') }], /no UTF-8 text/],
    ['a link', [{ url: 'https://example.com/a.csv' }], /opens no links/],
    ['data that is no table', { data: { rows: 7 } }, /CSV|table|list/],
  ])('rejects %s with a reason', async (_, content, reason) => {
    const task = await client.send(content);
    expect(task.status?.state).toBe('TASK_STATE_REJECTED');
    expect(words(task)).toMatch(reason);
    expect(task).not.toHaveProperty('artifacts');
  });

  it('rejects a delay that is none', async () => {
    const task = await client.send(CSV, { metadata: { delayMs: 'long' } });
    expect(task.status?.state).toBe('TASK_STATE_REJECTED');
  });
});

describe('trip-booking', () => {
  let client: JsonRpcClient;
  beforeAll(() => {
    client = servers.rpc('trip-booking');
  });

  /** The state after each answer. */
  async function talk(...answers: Content[]): Promise<{ task: TaskJson; states: unknown[] }> {
    let task: TaskJson = {};
    const states = [];
    for (const answer of answers) {
      task = await client.send(answer, { taskId: task.id });
      states.push(task.status?.state);
    }
    return { task, states };
  }

  it('asks, offers, has the price approved, and books', async () => {
    const { task, states } = await talk('I need a trip', 'Rome, 2027-03-01 to 2027-03-04', '2', 'approve');
    expect(states).toEqual([
      'TASK_STATE_INPUT_REQUIRED',
      'TASK_STATE_INPUT_REQUIRED',
      'TASK_STATE_AUTH_REQUIRED',
      'TASK_STATE_COMPLETED',
    ]);
    expect(words(task)).toMatch(/^Booked: Old Town House, Rome.*Your reference is [0-9A-F]{8}\.$/);
    expect(task.artifacts).toMatchObject([
      { name: 'itinerary.json', parts: [{ data: { destination: 'Rome', nights: 3, currency: 'EUR' } }] },
    ]);
  });

  it('takes data for an answer, and a trip at once', async () => {
    const trip = { data: { destination: 'Rome', from: '2027-03-01', to: '2027-03-04' } };
    const { task, states } = await talk(trip, { data: { offer: 1 } }, { data: { approved: true } });
    expect(states.at(-1)).toBe('TASK_STATE_COMPLETED');
    expect(words(task)).toContain('Harbour Rooms');
  });

  it.each([
    ['when asked where to', ['I need a trip', 'cancel']],
    ['when asked which one', ['Rome, 2027-03-01 to 2027-03-04', 'stop']],
    ['when asked to pay', ['Rome, 2027-03-01 to 2027-03-04', '1', 'no']],
  ])('books nothing where the client calls it off %s', async (_, answers) => {
    const { task } = await talk(...answers);
    expect(task.status?.state).toBe('TASK_STATE_COMPLETED');
    expect(words(task)).toBe('All right, nothing is booked.');
    expect(task).not.toHaveProperty('artifacts');
  });

  it('gives up on answers that mean nothing', async () => {
    const { task } = await talk('I need a trip', 'a', 'b', 'c', 'd', 'e');
    expect(task.status?.state).toBe('TASK_STATE_REJECTED');
  });

  it('can be canceled while it waits for the payment', async () => {
    const { task } = await talk('Rome, 2027-03-01 to 2027-03-04', '1');
    const canceled = await client.call('CancelTask', { id: task.id });
    expect(canceled.status?.state).toBe('TASK_STATE_CANCELED');
    await expect(client.send('approve', { taskId: task.id })).rejects.toMatchObject({ code: -32004 });
  });
});

describe('flaky', () => {
  it('completes over its failures, and has done no step twice', async () => {
    const tasks = await Promise.all(Array.from({ length: 12 }, () => servers.rpc('flaky').send('Go')));
    for (const task of tasks) {
      expect(task.status?.state).toBe('TASK_STATE_COMPLETED');
      expect(textOf(task)).toContain('Runs of each step: fetch: 1, convert: 1, deliver: 1');
    }
    // Twelve times luck has a chance of one in a hundred million.
    expect(tasks.some((task) => words(task) !== 'Done in attempt 1.')).toBe(true);
  });
});

describe('the README of each example', () => {
  const readmes = readdirSync(EXAMPLE_AGENTS).map((agent) => {
    const text = readFileSync(join(EXAMPLE_AGENTS, agent, 'README.md'), 'utf8');
    return { agent, curls: [...text.matchAll(/```sh\n(curl [^]*?)```/g)].map((match) => match[1]!) };
  });

  it.each(readmes)('of $agent has a curl line that works as it is', async ({ agent, curls }) => {
    expect(curls).toHaveLength(1);
    // The one of trip-booking answers a question.
    const isAnswer = curls[0]!.includes('TASK_ID');
    const taskId = isAnswer ? (await servers.rpc(agent).send('I need a trip')).id! : '';
    const line = curls[0]!
      .replace('http://localhost:8080', servers.url)
      .replace('TASK_ID', taskId)
      .replace('"delayMs": 3000', '"delayMs": 3');
    const { stdout } = await run('sh', ['-c', line.replace('curl ', 'curl -s ')]);
    expect(stdout).toMatch(/TASK_STATE_(COMPLETED|INPUT_REQUIRED)/);
    expect(stdout).not.toContain('"error"');
  });
});
