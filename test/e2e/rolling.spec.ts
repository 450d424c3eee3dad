import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { migrate } from '#store';
import { REPLICATED_AGENTS, TEST_AGENTS } from '../support/agent-folders.js';
import { futureMigrations } from '../support/future-migrations.js';
import { fetchAnswer } from '../support/json-rpc.js';
import { modeVariables, redisOrPostgres } from '../support/modes.js';
import { useDatabase } from '../support/postgres.js';
import { Balancer, RollingLoad } from '../support/rolling-load.js';
import { type ServerProcess, useServerProcesses } from '../support/server-process.js';
import { useTables } from '../support/task-tables.js';
import { WebhookReceiver } from '../support/webhook-receiver.js';

const AGENTS = [TEST_AGENTS, REPLICATED_AGENTS];
/** Chunks of a task: a run takes half a second at least, and longer than a worker's drain. */
const CHUNKS = '25';
const PILGRIMS = 4;

const database = useDatabase();
const tables = useTables(database);
const startProcess = useServerProcesses();

const key = randomBytes(32).toString('base64');

function start(role: 'server' | 'worker', version: string): Promise<ServerProcess> {
  const drain: Record<string, string> =
    role === 'server'
      ? { PERDURE_SHUTDOWN_DELAY: '500ms' }
      : { PERDURE_DRAIN: '100ms', PUBLIC_URL: 'http://a2a.example' };
  const env = {
    PERDURE_ROLE: role,
    PILGRIM_VERSION: version,
    PERDURE_SECRET_KEY: key,
    PERDURE_LEASE: '60s',
    PERDURE_PUSH_ALLOW: '127.0.0.1',
  };
  return startProcess({
    agents: AGENTS,
    databaseUrl: database.url,
    env: { ...env, ...drain, ...modeVariables(redisOrPostgres(), database.url) },
  });
}

describe('two servers and two workers under load, of which one after the other is replaced by another version', () => {
  const balancer = new Balancer();
  const load = new RollingLoad(balancer, 'plodder', CHUNKS);
  const endings: (number | string)[] = [];
  const replaced: ServerProcess[] = [];
  const pilgrims: string[] = [];
  let receiver: WebhookReceiver;
  let servers: ServerProcess[];
  let workers: ServerProcess[];

  beforeAll(async () => {
    [servers, workers] = await Promise.all([
      Promise.all([start('server', '1.0.0'), start('server', '1.0.0')]),
      Promise.all([start('worker', '1.0.0'), start('worker', '1.0.0')]),
    ]);
    await Promise.all(servers.map((server) => balancer.add(server)));
    receiver = await WebhookReceiver.start();
    for (let i = 0; i < PILGRIMS; i++) {
      const configuration = { taskPushNotificationConfig: { url: receiver.url(`/${i}`) } };
      pilgrims.push((await servers[0]!.rpc('pilgrim').start('Go', { configuration })).id!);
    }
    for (const id of pilgrims) {
      await tables.waitFor(async () => expect(await tables.task(id)).toMatchObject({ listens: true }));
    }
    load.start(2);
    const vigil = pilgrims.at(-1)!;
    for (const _server of servers) load.watch('pilgrim', vigil);

    // First the schema, while those who know nothing of it are at work.
    await migrate(database.url, { folder: futureMigrations() });
    await replace('server', servers, 0);
    await replace('server', servers, 1);
    await replace('worker', workers, 0);
    await goOn(pilgrims.slice(0, PILGRIMS / 2));
    await replace('worker', workers, 1);
    await goOn(pilgrims.slice(PILGRIMS / 2));
    await load.stop();
  }, 180_000);
  // Where something has failed halfway.
  afterAll(() => load.stop());
  afterAll(() => receiver.stop());

  async function replace(role: 'server' | 'worker', group: ServerProcess[], index: number): Promise<void> {
    const old = group[index]!;
    old.signal('SIGTERM');
    endings.push(await old.ended);
    replaced.push(old);
    balancer.remove(old);
    group[index] = await start(role, '2.0.0');
    if (role === 'server') await balancer.add(group[index]);
  }

  async function goOn(ids: readonly string[]): Promise<void> {
    const body = JSON.stringify({ ids, name: 'on' });
    const headers = { 'content-type': 'application/json' };
    const url = `${balancer.pick().url}/admin/v1/tasks/signal`;
    const { status } = await fetchAnswer(url, { method: 'POST', headers, body });
    expect(status).toBe(200);
    for (const id of ids) await tables.until(id, 'COMPLETED');
  }

  it('fails no request; streams are ended with a word, and taken up again without a loss', () => {
    expect(load.failures).toEqual([]);
    expect(load.sent).toBeGreaterThan(10);
    expect(load.streamed).toBeGreaterThan(5);
    // Those who watch from the beginning to the end have met both servers' ends.
    expect(load.reconnects).toBeGreaterThanOrEqual(2);
    expect(endings).toEqual([0, 0, 0, 0]);
  });

  it('completes every task, and burns no attempt', async () => {
    const [counts] = await tables.rows(
      `select count(*) filter (where state <> 3)::int as open, sum(attempt)::int as attempts, sum(lost)::int as lost
       from perdure.tasks`,
    );
    expect(counts).toEqual({ open: 0, attempts: 0, lost: 0 });
    const handedBack = replaced.flatMap(({ log }) => log.filter(({ msg }) => msg === 'drain.handed_back'));
    expect(handedBack.length).toBeGreaterThan(0);
  });

  it('has tasks that were begun by one version go on under the other', async () => {
    const texts = await Promise.all(
      pilgrims.map(async (id) => (await servers[0]!.rpc('pilgrim').get(id)).status?.message?.parts?.[0]?.text),
    );
    for (const text of texts) expect(text).toMatch(/^From 1\.0\.0 to [12]\.0\.0$/);
    expect(texts.slice(PILGRIMS / 2)).toEqual(Array<string>(PILGRIMS / 2).fill('From 1.0.0 to 2.0.0'));
    const told = workers.flatMap(({ log }) => log.filter(({ msg }) => msg === 'run.other_version'));
    expect(told.length).toBeGreaterThan(0);
  });

  it('tells webhooks of every event, in order, whichever process wrote it and whichever is left to send it', async () => {
    for (const [index, id] of pilgrims.entries()) {
      const expected = (await tables.events(id)).map((_, event) => event + 1);
      await tables.waitFor(async () => expect(sequences(`/${index}`)).toEqual(expected));
    }
  });

  /** The numbers of the events that came to a path, each when it first came. */
  function sequences(path: string): number[] {
    return [...new Set(receiver.ids(path).map((id) => Number(id.split('_')[1])))];
  }

  it('leaves no process with anything to complain of, on a newer schema too', () => {
    const all = [...replaced, ...servers, ...workers];
    expect(all.flatMap(({ log }) => log.filter(({ level }) => level !== 'info'))).toEqual([]);
  });
});
