import { join } from 'node:path';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { TEST_AGENTS } from '../support/agent-folders.js';
import { Ledger } from '../support/ledger.js';
import { inEachMode } from '../support/modes.js';
import { useDatabase } from '../support/postgres.js';
import { type ServerProcess, useServerProcesses } from '../support/server-process.js';
import { upTo } from '../support/sse-client.js';
import { temporaryFolder } from '../support/temporary-folder.js';

inEachMode((mode) => {
  /** Where the database holds a task, and the counts of all tasks. */
  const TABLES = [
    'select * from perdure.tasks where id = $1',
    'select * from perdure.task_events where task_id = $1 order by sequence',
    'select * from perdure.task_messages where task_id = $1 order by ordinal',
    'select * from perdure.task_journal where task_id = $1 order by turn, position',
    'select $1::uuid as id, agent, state, sum(count) from perdure.task_counts group by 1, 2, 3 order by 2, 3',
  ];

  const folder = temporaryFolder();
  const database = useDatabase();
  const startServer = useServerProcesses(mode);
  let db: pg.Client;
  let stale: ServerProcess;
  let second: ServerProcess;

  beforeAll(async () => {
    db = new pg.Client(database.url);
    await db.connect();
    const start = () => startServer({ agents: [TEST_AGENTS], databaseUrl: database.url, env: { PERDURE_LEASE: '1s' } });
    stale = await start();
    second = await start();
  });

  afterAll(async () => {
    await Promise.all([stale.kill(), second.kill()]);
    await db.end();
  });

  async function everythingOf(id: string): Promise<unknown[]> {
    const stored = [];
    for (const sql of TABLES) stored.push((await db.query(sql, [id])).rows);
    return stored;
  }

  /** Stops the first server at the gate of step 1, and lets the second one finish the task. Resolves with what is stored then. */
  async function finishElsewhere(agent: string, id: string, ledger: Ledger): Promise<unknown[]> {
    await ledger.reached(1, stale.pid);
    stale.signal('SIGSTOP');
    const watching = await second.rpc(agent).subscribe(id, 0);
    ledger.open(2);
    const events = await watching.all();
    expect(events.map((event) => event.id)).toEqual(upTo(events.length));
    expect(await second.rpc(agent).get(id)).toMatchObject({ status: { state: 'TASK_STATE_COMPLETED' } });
    return everythingOf(id);
  }

  describe('a server that stood still beyond its lease, while another one finished its task', () => {
    it('changes nothing of the task by the step it was in, says so in its log, and goes on serving', async () => {
      const ledger = new Ledger(join(folder, 'step'));
      const { id } = await stale.rpc('ledger').start(ledger.message(2));
      const finished = await finishElsewhere('ledger', id!, ledger);
      expect(ledger.lines).toEqual(['step 1 in attempt 1', 'step 2 in attempt 1']);

      stale.signal('SIGCONT');
      const line = await stale.logged('run.stopped', ({ task }) => task === id);
      expect(line).toMatchObject({ level: 'info', tenant: 'default', agent: 'ledger' });
      expect(await everythingOf(id!)).toEqual(finished);
      expect(await stale.rpc('ledger').get(id!)).toEqual(await second.rpc('ledger').get(id!));
      await expectToServe(stale, 'after-step');
    });

    it('is refused what it emits before it can have heard that its lease is gone', async () => {
      const ledger = new Ledger(join(folder, 'emission'));
      const { id } = await stale.rpc('stubborn').start(ledger.message(2, stale.pid));
      const finished = await finishElsewhere('stubborn', id!, ledger);
      const words = JSON.stringify(finished);
      expect(words).toContain(`written by ${second.pid}`);

      stale.signal('SIGCONT');
      await stale.logged('run.stopped', ({ task }) => task === id);
      expect(await everythingOf(id!)).toEqual(finished);
      expect(words).not.toContain(`by ${stale.pid}`);
      await expectToServe(stale, 'after-emission');
    });
  });

  describe('a server that stood still beyond its lease, while another one is at its task', () => {
    it('is refused by its lease token alone, where nothing has been written since', async () => {
      const ledger = new Ledger(join(folder, 'token'));
      const { id } = await stale.rpc('stubborn').start(ledger.message(2, stale.pid));
      await ledger.reached(1, stale.pid);
      const [before, ...logs] = await everythingOf(id!);
      stale.signal('SIGSTOP');
      await ledger.reached(1, second.pid);
      const [task] = (await everythingOf(id!))[0] as [{ last_sequence: number; lease_token: string }];
      expect(before).toMatchObject([{ last_sequence: task.last_sequence, lease_token: '1' }]);
      expect(task.lease_token).toBe('2');

      ledger.open(2, stale.pid);
      stale.signal('SIGCONT');
      await stale.logged('run.stopped', (line) => line.task === id);
      expect((await everythingOf(id!)).slice(1)).toEqual(logs);
      ledger.open(2);
      const events = await (await second.rpc('stubborn').subscribe(id!, 0)).all();
      expect(events.map((event) => event.id)).toEqual(upTo(events.length));
      expect(JSON.stringify(events)).not.toContain(`by ${stale.pid}`);
      expect(JSON.stringify(events)).toContain(`Done by ${second.pid}`);
    });
  });

  async function expectToServe(server: ServerProcess, name: string): Promise<void> {
    const ledger = new Ledger(join(folder, name));
    ledger.open(1);
    expect(await server.rpc('ledger').send(ledger.message(1))).toMatchObject({
      status: { state: 'TASK_STATE_COMPLETED' },
    });
  }
});
