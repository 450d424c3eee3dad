import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setInterval } from 'node:timers/promises';
import { promisify } from 'node:util';
import pg from 'pg';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { cli } from '../support/cli.js';
import { BUNDLED_PERDURE, PERDURE, PerdureProcess } from '../support/perdure-process.js';
import { createDatabase, dropDatabase } from '../support/postgres.js';

const LISTENS = /Perdure listens on (http:\S+)/;
const run = promisify(execFile);

let folder: string;
let databaseUrl: string;
const processes: PerdureProcess[] = [];

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'perdure-serve-'));
  databaseUrl = await createDatabase();
});

afterEach(async () => {
  await Promise.all(processes.splice(0).map((process) => process.dispose()));
  await dropDatabase(databaseUrl);
  await rm(folder, { recursive: true });
});

function perdure(args: readonly string[], env: Record<string, string> = {}, program = BUNDLED_PERDURE): PerdureProcess {
  const settings = { DATABASE_URL: databaseUrl, PORT: '0', PERDURE_LOG_FORMAT: 'json', PERDURE_LOG_LEVEL: 'warn' };
  const process = new PerdureProcess(args, { program, env: { ...settings, ...env } });
  processes.push(process);
  return process;
}

async function writeAgent(name: string, run: string): Promise<void> {
  const source = `import { defineAgent } from 'perdure';
    export default defineAgent({
      card: { name: '${name}', description: 'For a test.' },
      async run(task) { ${run} },
    });`;
  await writeFile(join(folder, `${name}.agent.ts`), source);
}

describe('perdure serve', () => {
  it('prints where it listens, its agents, and lines to paste that work; SIGTERM ends it with 0', async () => {
    await writeAgent('hello', `return "You're heard";`);
    const server = perdure(['serve', folder], {}, PERDURE);
    const [, url] = await server.shows(LISTENS);
    const [, curl] = await server.shows(/^ {2}(curl .*)$/m);
    await server.shows(/^ {2}npx perdure send http:\S+ Hello$/m);

    expect(server.output).toContain(`${url}/agents/hello/.well-known/agent-card.json`);
    const answer = JSON.parse((await run('sh', ['-c', curl!])).stdout);
    expect(answer.result.task.status).toMatchObject({ state: 'TASK_STATE_COMPLETED' });
    expect(await cli('card', `${url}/agents/hello`)).toMatchObject({ exitCode: 0 });
    expect((await cli('send', `${url}/agents/hello`, 'Hello')).stdout).toContain("completed: You're heard");

    server.signal('SIGTERM');
    expect(await server.ended).toBe(0);
  });

  it.each([
    ['SIGTERM', 143],
    ['SIGINT', 130],
  ] as const)('ends at once when a second %s comes while it waits for a run, with %i', async (signal, exitCode) => {
    await writeAgent('stuck', `await new Promise(() => setInterval(() => {}, 1000));`);
    const server = perdure(['serve', folder, '--drain', '10m']);
    const [, url] = await server.shows(LISTENS);
    expect(await cli('send', url!, 'Hi', '--no-wait')).toMatchObject({ exitCode: 0 });

    let ended: number | string | undefined;
    void server.ended.then((code) => (ended = code));
    for await (const _ of setInterval(100)) {
      if (ended !== undefined) break;
      server.signal(signal);
    }

    expect(ended).toBe(exitCode);
  });

  it('says in one message without a stack why it cannot start, and ends with 1', async () => {
    await writeAgent('hello', `return 'Hi';`);
    const other = createServer().listen(0, '127.0.0.1');
    await once(other, 'listening');
    const port = String((other.address() as { port: number }).port);
    const cases: [PerdureProcess, string | RegExp][] = [
      [perdure(['serve', folder, '--port', port]), `cannot listen on 127.0.0.1, port ${port}`],
      [perdure(['serve', folder, '--port', 'abc'], { PERDURE_LEASE: 'soon' }), /PORT=abc[^]*PERDURE_LEASE=soon/],
      [perdure(['serve', join(folder, 'none')]), 'there is no such folder'],
      [perdure(['serve', folder], { DATABASE_URL: 'postgres://me:secret@127.0.0.1:1/x' }), 'database at 127.0.0.1:1/x'],
    ];

    for (const [server, reason] of cases) {
      expect(await server.ended, server.output).toBe(1);
      expect(server.output).toMatch(reason);
      expect(server.output).not.toMatch(/^ {4}at |secret/m);
    }
    other.close();
  });

  it('keeps a watch complete over a kill and a restart, each event printed once', { timeout: 60_000 }, async () => {
    await writeAgent('slow', `await task.status('One'); await task.requestInput('Which?'); await task.status('Two');`);
    const first = perdure(['serve', folder]);
    const [, url] = await first.shows(LISTENS);
    const sent = await cli('send', url!, 'Go');
    const taskId = /^task (\S+)/.exec(sent.stdout)![1]!;
    const watch = perdure(['watch', url!, taskId]);
    await watch.shows(/input-required: Which\?/);

    first.signal('SIGKILL');
    await watch.shows(/Connection lost/);
    const second = perdure(['serve', folder], { PORT: new URL(url!).port });
    await second.shows(LISTENS);
    const answered = await cli('send', url!, 'This', '--task', taskId);

    expect(answered.stdout).toContain('completed');
    expect(await watch.ended).toBe(0);
    for (const line of ['working: One', 'input-required: Which?', 'working: Two', 'completed']) {
      expect(watch.output.split(line), line).toHaveLength(2);
    }
  });
});

describe('perdure dev', () => {
  it('waits while an agent is broken, starts again with every change, and stops with Ctrl-C', async () => {
    await writeFile(join(folder, 'hello.agent.ts'), 'export default ;');
    const dev = perdure(['dev', folder]);
    await dev.shows(/starts again with the next change/);

    await writeAgent('hello', `return 'First';`);
    const [, firstUrl] = await dev.shows(LISTENS);
    expect((await cli('send', firstUrl!, 'Hi')).stdout).toContain('First');

    const before = dev.output.length;
    await writeAgent('hello', `return 'Second';`);
    const [, secondUrl] = await dev.shows(LISTENS, before);
    expect((await cli('send', secondUrl!, 'Hi')).stdout).toContain('Second');

    dev.pressesCtrlC();
    expect(await dev.ended).toBe(0);
    expect((await cli('card', secondUrl!)).stderr).toContain('nothing listens there');
  });
});

describe('perdure migrate', () => {
  it('brings an empty database to the newest schema, and leaves it there when run again', async () => {
    const database = `${new URL(databaseUrl).pathname.slice(1)}_empty`;
    await query(databaseUrl, `create database ${database} template template0`);
    const url = Object.assign(new URL(databaseUrl), { pathname: `/${database}` }).href;
    try {
      for (const _ of ['first', 'again']) {
        const migrate = perdure(['migrate'], { DATABASE_URL: url });
        expect(await migrate.ended, migrate.output).toBe(0);
      }
      expect(await query(url, 'select count(*)::int as tasks from perdure.tasks')).toEqual([{ tasks: 0 }]);
    } finally {
      await dropDatabase(url);
    }
  });

  it('says why the database cannot be used, and ends with 1', async () => {
    const migrate = perdure(['migrate'], { DATABASE_URL: 'postgres://me:secret@127.0.0.1:1/x' });

    expect(await migrate.ended).toBe(1);
    expect(migrate.output).toContain('The database at 127.0.0.1:1/x cannot be used');
    expect(migrate.output).not.toContain('secret');
  });
});

async function query(url: string, sql: string): Promise<unknown[]> {
  const client = new pg.Client(url);
  await client.connect();
  try {
    return (await client.query(sql)).rows;
  } finally {
    await client.end();
  }
}
