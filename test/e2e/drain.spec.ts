import { readFileSync, realpathSync } from 'node:fs';
import { join } from 'node:path';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { TEST_AGENTS } from '../support/agent-folders.js';
import { fetchAnswer, type HttpAnswer } from '../support/json-rpc.js';
import { Ledger } from '../support/ledger.js';
import { type Mode, modeVariables, redisOrPostgres } from '../support/modes.js';
import { useDatabase } from '../support/postgres.js';
import { type ServerProcess, useServerProcesses } from '../support/server-process.js';
import { stateOf, upTo } from '../support/sse-client.js';
import { temporaryFolder } from '../support/temporary-folder.js';

const PATIENCE = { timeout: 20_000, interval: 20 };
const folder = temporaryFolder();
const startServer = useServerProcesses();
const dataDir = join(folder, 'data');

function start(drain: string, lease = '60s', mode: Mode = 'postgres'): Promise<ServerProcess> {
  const queue = modeVariables(mode, `postgres://embedded${dataDir}`);
  return startServer({ agents: [TEST_AGENTS], dataDir, env: { PERDURE_DRAIN: drain, PERDURE_LEASE: lease, ...queue } });
}

/** The embedded Postgres of the data folder. */
function postmaster(): number {
  return Number(
    readFileSync(join(realpathSync(join(dataDir, 'postgres')), 'data/postmaster.pid'), 'utf8').split('\n')[0],
  );
}

function isRunning(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

function readiness(server: ServerProcess): Promise<HttpAnswer> {
  return fetchAnswer(`${server.url}/health/ready`);
}

/** Resolves when the server says that it takes no more work. */
async function expectDraining(server: ServerProcess): Promise<void> {
  const { json } = await vi.waitFor(async () => {
    const answer = await readiness(server);
    expect(answer.status).toBe(503);
    return answer;
  }, PATIENCE);
  expect(json).toEqual({ status: 'draining', checks: {} });
}

function warnings(server: ServerProcess): unknown[] {
  return server.log.filter(({ level }) => level !== 'info');
}

describe.each([
  ['SIGTERM', 'postgres'],
  ['SIGINT', redisOrPostgres()],
] as const)('%s, over %s', (signal, mode) => {
  const ledger = (name: string) => new Ledger(join(folder, `${name}-${signal}`));

  it('lets a run that ends in time complete, and its caller have the answer', async () => {
    const server = await start('20s', '60s', mode);
    const postgres = postmaster();
    expect(await readiness(server)).toMatchObject({ status: 200, json: { status: 'ok' } });
    const call = server.rpc('ledger').send(ledger('short').message(1));
    const stream = await server.rpc('ledger').stream(ledger('stream').message(1));
    await Promise.all([ledger('short').reached(1), ledger('stream').reached(1)]);

    server.signal(signal);
    await expectDraining(server);
    await expect(server.rpc('ledger').start(ledger('refused').message(1))).rejects.toMatchObject({
      status: 503,
      code: -32000,
    });
    expect(await fetchAnswer(`${server.url}/health/live`)).toMatchObject({ status: 200 });
    ledger('short').open(1);
    expect(await call).toMatchObject({ status: { state: 'TASK_STATE_COMPLETED' } });
    ledger('stream').open(1);
    expect(stateOf((await stream.all()).at(-1)!)).toBe('TASK_STATE_COMPLETED');

    expect(await server.ended).toBe(0);
    expect(isRunning(postgres)).toBe(false);
    expect(warnings(server)).toEqual([]);
  });

  it('hands a longer run back, without an attempt burnt, and tells those who wait; the next start completes it', async () => {
    const server = await start('300ms', '60s', mode);
    const postgres = postmaster();
    const call = server.rpc('ledger').send(ledger('long').message(2));
    ledger('long').open(1);
    await ledger('long').reached(2);
    const [task] = (await server.rpc('ledger').call('ListTasks', { status: 'TASK_STATE_WORKING' })).tasks!;
    const stream = await server.rpc('ledger').subscribe(task!.id!, 0);

    server.signal(signal);
    expect(await call).toMatchObject({ id: task!.id, status: { state: 'TASK_STATE_WORKING' } });
    const seen = await stream.all();
    expect(stream.comments).toContain('server is shutting down');
    expect(await server.ended).toBe(0);
    expect(isRunning(postgres)).toBe(false);

    const next = await start('0s', '60s', mode);
    ledger('long').open(2);
    const rest = await (await next.rpc('ledger').subscribe(task!.id!, stream.lastId)).all();
    expect([...seen, ...rest].map(({ id }) => id)).toEqual(upTo(rest.at(-1)!.id));
    expect(stateOf(rest.at(-1)!)).toBe('TASK_STATE_COMPLETED');
    expect(ledger('long').lines).toEqual(['step 1 in attempt 1', 'step 2 in attempt 1']);
    next.signal(signal);
    expect(await next.ended).toBe(0);
    expect(warnings(server)).toEqual([]);
  });
});

describe('a second SIGTERM', () => {
  it('ends the server at once, and loses nothing', async () => {
    const ledger = new Ledger(join(folder, 'twice'));
    const server = await start('60s', '1s');
    const postgres = postmaster();
    const { id } = await server.rpc('ledger').start(ledger.message(1));
    await ledger.reached(1);
    server.signal('SIGTERM');
    await expectDraining(server);
    // Within a moment of the first one it counts as the same.
    const repeat = setInterval(() => server.signal('SIGTERM'), 50);
    expect(await server.ended).toBe(143);
    clearInterval(repeat);
    await vi.waitFor(() => expect(isRunning(postgres)).toBe(false), PATIENCE);

    const next = await start('0s');
    ledger.open(1);
    const stream = await next.rpc('ledger').subscribe(id!, 0);
    expect(stateOf((await stream.all()).at(-1)!)).toBe('TASK_STATE_COMPLETED');
    expect(ledger.lines).toEqual(['step 1 in attempt 1']);
  });
});

describe('a run that is handed back', () => {
  const database = useDatabase();
  let db: pg.Client;
  beforeAll(async () => {
    db = new pg.Client(database.url);
    await db.connect();
  });
  afterAll(() => db.end());

  it('is due at once, with no failure and no lost worker on its account', async () => {
    const ledger = new Ledger(join(folder, 'due'));
    const server = await startServer({
      agents: [TEST_AGENTS],
      databaseUrl: database.url,
      env: { PERDURE_DRAIN: '0s', PERDURE_LEASE: '60s' },
    });
    await server.rpc('ledger').start(ledger.message(1));
    await ledger.reached(1);
    server.signal('SIGTERM');
    expect(await server.ended).toBe(0);
    const { rows } = await db.query(
      'select attempt, lost, lease_owner as owner, run_at <= now() as due, state from perdure.tasks',
    );
    expect(rows).toEqual([{ attempt: 0, lost: 0, owner: null, due: true, state: 2 }]);
  });
});
