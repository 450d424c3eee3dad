import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type StreamResponseJson, type TaskJson } from '#protocol';
import { VOYAGE_AGENTS } from '../support/agent-folders.js';
import { CommitProxy, type Moment } from '../support/commit-proxy.js';
import { Ledger } from '../support/ledger.js';
import { type Mode, modeVariables, redisOrPostgres } from '../support/modes.js';
import { createDatabase, dropDatabase } from '../support/postgres.js';
import { TaskTables } from '../support/task-tables.js';
import { temporaryFolder } from '../support/temporary-folder.js';
import { WorkerChain } from '../support/worker-chain.js';

const SLEEP_MS = 60;
const STEPS = ['book', 'board', 'load', 'count', 'unload', 'steer', 'follow', 'fetch', 'moor', 'return'];
const folder = temporaryFolder();

/** A task as it is in the end, and how it came there, without ids and times. */
interface Left {
  readonly task: TaskJson;
  readonly events: readonly StreamResponseJson[];
}

interface Outcome {
  /** The voyage, and the errand that it delegates. */
  readonly tasks: readonly Left[];
  /** How often each step has had its effect. */
  readonly effects: Readonly<Record<string, number>>;
}

/** One task of the `voyage` agent, its client, and the ledger of its steps. */
class Voyage {
  id = '';
  private readonly ledger: Ledger;

  constructor(
    private readonly workers: WorkerChain,
    private readonly tables: TaskTables,
    private readonly name: string,
  ) {
    this.ledger = new Ledger(join(folder, name));
  }

  /** Takes the task through all there is, whatever becomes of the process, and tells what came of it. */
  async take(): Promise<Outcome> {
    const { data } = this.ledger.message(1);
    this.id = await this.say('begin', [{ data: { ...data, sleepMs: SLEEP_MS } }]);
    await this.tables.until(this.id, 'INPUT_REQUIRED');
    await this.say('harbour');
    await this.tables.waitFor(async () => expect(await this.tables.task(this.id)).toMatchObject({ listens: true }));
    await this.signal('pilot');
    await this.ledger.reached(1);
    this.ledger.open(1);
    await this.tables.until(this.id, 'AUTH_REQUIRED');
    await this.say('papers');
    await this.ledger.reached(2);
    await this.say('follow-up', [{ data: { ...data, isFollowUp: true } }]);
    this.ledger.open(2);
    await this.tables.until(this.id, 'COMPLETED');
    return this.outcome();
  }

  async outcome(): Promise<Outcome> {
    const effects: Record<string, number> = {};
    for (const line of this.ledger.lines) effects[line] = (effects[line] ?? 0) + 1;
    const tasks = [];
    for (const { id, agent } of await this.tasks()) tasks.push(await this.left(agent, id));
    return { tasks, effects };
  }

  /** Steps that have had their effect and are not recorded. */
  async interrupted(): Promise<string[]> {
    const ids = (await this.tasks()).map(({ id }) => id);
    const rows = await this.tables.rows<{ name: string }>(
      `select name from perdure.task_journal where kind = 'step' and task_id = any($1)`,
      [ids],
    );
    const recorded = new Set(rows.map(({ name }) => name));
    return this.ledger.lines.filter((step) => !recorded.has(step));
  }

  /** The task itself and what it has delegated, found by the folder that their messages name. */
  private tasks(): Promise<{ id: string; agent: string }[]> {
    return this.tables.rows(
      `select id, agent from perdure.tasks where id in (
         select task_id from perdure.task_messages where position($1 in message) > 0) order by created_at`,
      [JSON.stringify(join(folder, this.name))],
    );
  }

  private async left(agent: string, id: string): Promise<Left> {
    const task = await this.workers.call<TaskJson>({ agent, operation: 'getTask', request: { id } });
    const events = withoutInterrupted(await this.tables.events(id));
    return { task: this.neutral(task, task), events: this.neutral(events, task) };
  }

  private signal(name: string): Promise<unknown> {
    const request = { id: this.id, name, value: { says: 'follow me' } };
    return this.workers.call({ agent: 'voyage', operation: 'signal', request, key: name });
  }

  /** Sends a message until it is taken, and answers with the task's id. */
  private async say(text: string, parts: object[] = [{ text }]): Promise<string> {
    const message = { messageId: text, role: 'ROLE_USER', parts, taskId: this.id };
    const request = { message, configuration: { returnImmediately: true } };
    const call = { agent: 'voyage', operation: 'sendMessage', request, key: `${this.name} ${text}` } as const;
    return (await this.workers.call<{ task: TaskJson }>(call)).task.id!;
  }

  /** Without times, and with the same ids for every task. */
  private neutral<T>(value: T, { id, contextId }: TaskJson): T {
    const text = JSON.stringify(value, (key, field: unknown) => {
      if (['timestamp', 'createdAt', 'lastModified'].includes(key)) return 'then';
      return key === 'messageId' ? 'a message' : field;
    });
    const names = { [id!]: 'a task', [contextId!]: 'a context', [join(folder, this.name)]: 'a folder' };
    return JSON.parse(Object.entries(names).reduce((said, [name, word]) => said.replaceAll(name, word), text)) as T;
  }
}

/** An artifact that is open when its run ends starts over: what there was of it is replaced. */
function withoutInterrupted(events: readonly StreamResponseJson[]): StreamResponseJson[] {
  const starts = new Map<string, number>();
  for (const [i, { artifactUpdate: update }] of events.entries()) {
    if (update && !update.append) starts.set(update.artifact!.artifactId!, i);
  }
  return events.filter(({ artifactUpdate: update }, i) => !update || i >= starts.get(update.artifact!.artifactId!)!);
}

/**
 * Side by side, each with a database of its own, behind every second commit: what lies between a commit and the next is lost at
 * either end of it. One of them over Redis, where this machine has it.
 */
const LANES: readonly { moment: Moment; first: number; mode: Mode }[] = [
  { moment: 'its answer is lost', first: 1, mode: 'postgres' },
  { moment: 'the next one is sent', first: 2, mode: redisOrPostgres() },
];
const EVERY = 2;
const TITLE =
  'a task whose process is killed at commit $first, or every second one further on, when $moment, over $mode,';

describe.concurrent.each(LANES)(TITLE, ({ moment, first, mode }) => {
  let databaseUrl: string;
  let tables: TaskTables;
  let proxy: CommitProxy;
  let workers: WorkerChain;

  beforeAll(async () => {
    databaseUrl = await createDatabase();
    tables = new TaskTables({ url: databaseUrl });
    proxy = await CommitProxy.start(databaseUrl);
    workers = await WorkerChain.start(
      proxy.url,
      { agents: VOYAGE_AGENTS, env: modeVariables(mode, databaseUrl) },
      tables,
    );
  });
  afterAll(async () => {
    await workers.stop();
    await proxy.stop();
    await tables.close();
    await dropDatabase(databaseUrl);
  });

  function voyage(name: string): Voyage {
    return new Voyage(workers, tables, `${moment}, ${first}, ${name}`);
  }

  /** Takes a task through and kills its process; false where there are not so many commits. */
  async function survives(commit: number, undisturbed: Outcome): Promise<boolean> {
    const disturbed = voyage(`commit ${commit}`);
    let interrupted: readonly string[] | undefined;
    const kill = () => workers.kill(async () => void (interrupted = await disturbed.interrupted()));
    proxy.count({ commit, moment, strike: kill });
    const outcome = await disturbed.take();
    const isKilled = interrupted !== undefined;
    if (!isKilled) kill();
    // What had an effect and was not recorded is done again, and nothing else is.
    const effects = { ...undisturbed.effects };
    for (const step of interrupted ?? []) effects[step]!++;
    expect(outcome, `killed at commit ${commit}`).toEqual({ ...undisturbed, effects });
    expect(await disturbed.outcome(), 'afterwards').toEqual(outcome);
    return isKilled;
  }

  it('comes to the same end by the same events, whichever commit it is', { timeout: 600_000 }, async () => {
    const undisturbed = await voyage('undisturbed').take();
    const commits = proxy.counted;
    expect(undisturbed.tasks.map(({ task }) => task.status?.state)).toEqual(Array(2).fill('TASK_STATE_COMPLETED'));
    expect(undisturbed.effects).toEqual(Object.fromEntries(STEPS.map((step) => [step, 1])));
    let commit = first;
    while (await survives(commit, undisturbed)) commit += EVERY;
    // Emissions that come together are committed together, or not: their number differs a little.
    expect(commit).toBeGreaterThan(commits * 0.8);
    await tables.expectSound();
  });
});
