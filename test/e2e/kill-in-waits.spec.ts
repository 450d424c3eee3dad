import { join } from 'node:path';
import { expect, it } from 'vitest';
import { VOYAGE_AGENTS } from '../support/agent-folders.js';
import { cli } from '../support/cli.js';
import { hasten } from '../support/hasten.js';
import { Ledger } from '../support/ledger.js';
import { type Mode, modeVariables, redisOrPostgres } from '../support/modes.js';
import { useDatabase } from '../support/postgres.js';
import { type ServerProcess, useServerProcesses } from '../support/server-process.js';
import { useTables } from '../support/task-tables.js';
import { temporaryFolder } from '../support/temporary-folder.js';

/** Longer than the test takes: nothing wakes the task but the test, while every process is dead. */
const SLEEP_MS = 3_600_000;
const database = useDatabase();
const tables = useTables(database);
const startServer = useServerProcesses();
const ledger = new Ledger(join(temporaryFolder(), 'waits'));
const { data } = ledger.message(1);
const DELEGATES = 'listens and exists (select from perdure.task_delegations d where d.task_id = t.id and d.state = 2)';

function start(mode: Mode): Promise<ServerProcess> {
  const env = { PERDURE_LEASE: '1s', ...modeVariables(mode, database.url) };
  return startServer({ agents: [VOYAGE_AGENTS], databaseUrl: database.url, env });
}

/** Two servers on the database, of which nothing is left after a kill: the next ones have their queue in the other place. */
class Servers {
  private all: ServerProcess[] = [];
  private readonly modes: Mode[] = ['postgres', redisOrPostgres()];

  /** Kills every process when the task has done so many steps and waits as the condition says, and starts them again. */
  async killAfter(steps: number, id: string, condition: string): Promise<void> {
    await this.endAfter(steps, id, condition);
    await this.start();
  }

  /** The same where the task sleeps: its time comes while every process is dead. */
  async killAsleep(steps: number, id: string): Promise<void> {
    await this.endAfter(steps, id, 'run_at > now()');
    await hasten(tables, id);
    await this.start();
  }

  private async endAfter(steps: number, id: string, condition: string): Promise<void> {
    const waits = `select from perdure.tasks t where id = $1 and lease_owner is null and ${condition}`;
    await tables.waitFor(async () => {
      expect(ledger.lines).toHaveLength(steps);
      expect(await tables.rows(waits, [id])).toHaveLength(1);
    });
    await Promise.all(this.all.map((server) => server.kill()));
    expect(ledger.lines).toHaveLength(steps);
  }

  async start(): Promise<void> {
    this.modes.reverse();
    this.all = await Promise.all([start(this.modes[0]!), start(this.modes[0]!)]);
  }

  get first(): ServerProcess {
    return this.all[0]!;
  }

  get second(): ServerProcess {
    return this.all[1]!;
  }
}

it(
  'a task lives through kill -9 of every process in each of its waits, and does each step once',
  { timeout: 120_000 },
  async () => {
    const servers = new Servers();
    await servers.start();
    const { id } = await servers.first.rpc('voyage').start({ data: { ...data, sleepMs: SLEEP_MS } });
    const taskId = id!;

    await servers.killAsleep(2, taskId);
    await servers.killAsleep(4, taskId);
    await servers.killAfter(5, taskId, 'state = 6');
    await servers.second.rpc('voyage').start('harbour', { taskId });
    await servers.killAfter(6, taskId, 'listens');
    const signal = ['tasks', 'signal', servers.second.url, taskId, 'pilot', '{"says":"follow me"}'];
    expect(await cli(...signal)).toMatchObject({ exitCode: 0, stderr: '' });
    await ledger.reached(1);
    await servers.killAfter(7, taskId, DELEGATES);
    ledger.open(1);
    await servers.killAfter(8, taskId, 'state = 8');
    await servers.second.rpc('voyage').start('papers', { taskId });
    await ledger.reached(2);
    await servers.first.rpc('voyage').start({ data: { ...data, isFollowUp: true } }, { taskId });
    ledger.open(2);
    await tables.until(taskId, 'COMPLETED');

    const expected = ['board', 'book', 'count', 'fetch', 'follow', 'load', 'moor', 'return', 'steer', 'unload'];
    expect(ledger.lines.toSorted()).toEqual(expected);
    expect(await tables.rows('select agent, attempt from perdure.tasks order by agent')).toEqual([
      { agent: 'errand', attempt: 0 },
      { agent: 'voyage', attempt: 0 },
    ]);
  },
);
