import { expect, it } from 'vitest';
import { SCHEDULING_EXTENSION } from '#agents';
import { type AgentScript, textOf, useEngines } from '../support/engine.js';
import { asleep, hasten } from '../support/hasten.js';
import { useDatabase } from '../support/postgres.js';
import { useTables } from '../support/task-tables.js';

const database = useDatabase();
const tables = useTables(database);
/** What runs before a deploy, and what runs after it: the same agents in two versions. */
const before = useEngines(database);
const after = useEngines(database);

function deploy(scripts: { old: AgentScript['run']; new: AgentScript['run'] }, fields: Partial<AgentScript> = {}) {
  const card = (version: string) => ({ name: 'A', description: 'Changes.', version, skills: [] });
  const ids = [
    before.agent({ ...fields, card: card('1.2.0'), run: scripts.old }),
    after.agent({ ...fields, card: card('1.3.0'), run: scripts.new }),
  ];
  expect(ids[0]).toBe(ids[1]);
  return ids[0]!;
}

async function versionOf(id: string): Promise<string> {
  const [row] = await tables.rows<{ agent_version: string }>('select agent_version from perdure.tasks where id = $1', [
    id,
  ]);
  return row!.agent_version;
}

/** Runs the task under the old version until it sleeps; then only the new version is there. */
async function sleepThroughDeploy(agent: string): Promise<string> {
  const old = await before.start();
  const { id } = await old.submit(agent, 'first');
  await asleep(tables, id!);
  expect(await versionOf(id!)).toBe('1.2.0');
  await old.stop();
  await hasten(tables, id!);
  return id!;
}

it('goes on under another version whose calls fit the journal, and says so in the log', async () => {
  const agent = deploy({
    async old(task) {
      await task.step('load', () => 'rows');
      await task.sleep('1h');
    },
    async new(task) {
      const rows = await task.step('load', () => 'not again');
      await task.sleep('1h');
      return task.step('new in 1.3.0', () => `${rows}, checked`);
    },
  });
  const id = await sleepThroughDeploy(agent);
  const engine = await after.start();
  await tables.until(id, 'COMPLETED');
  expect(textOf((await engine.get(agent, id)).status?.message)).toBe('rows, checked');
  const line = engine.log.find(({ msg }) => msg === 'run.other_version');
  expect(line).toMatchObject({ level: 'info', task: id, agent, recordedBy: '1.2.0', version: '1.3.0' });
});

it('fails where its calls no longer fit, and explains which versions do not go together', async () => {
  const agent = deploy({
    async old(task) {
      await task.step('load', () => 'rows');
      await task.sleep('1h');
    },
    async new(task) {
      await task.step('fetch', () => 'rows');
      await task.sleep('1h');
    },
  });
  const id = await sleepThroughDeploy(agent);
  const engine = await after.start();
  await tables.until(id, 'FAILED');
  const { status } = await engine.get(agent, id);
  const line = engine.log.find(({ msg }) => msg === 'run.failed');
  expect(line).toMatchObject({
    ...{ task: id, agent, final: true, version: '1.3.0', recordedBy: '1.2.0' },
    err: {
      message:
        'call 1 of the handler is step "fetch", but when it ran before it was step "load"; a handler must make the same ' +
        'calls in the same order each time it runs (recorded by version 1.2.0; this is 1.3.0)',
    },
  });
  expect(status?.message?.metadata).toEqual({ reason: 'non_deterministic', errorId: line?.errorId });
  expect(JSON.stringify(status)).not.toMatch(/1\.2\.0|fetch/);
});

it('begins each turn under the version that runs it', async () => {
  const agent = deploy({
    async old(task) {
      await task.sleep('1h');
    },
    async new(task) {
      if (textOf(task.message) === 'first') await task.sleep('1h');
    },
  });
  const id = await sleepThroughDeploy(agent);
  const front = await after.start({ runs: false });
  await front.submit(agent, { taskId: id, parts: [{ text: 'second' }] });
  expect(await versionOf(id)).toBe('1.2.0');
  await after.start();
  await tables.until(id, 'COMPLETED');
  expect(await versionOf(id)).toBe('1.3.0');
  expect(await tables.task(id)).toMatchObject({ turn: 2 });
});

it('begins a turn that interrupts another under its own version', async () => {
  const sleep: AgentScript['run'] = (task) => task.sleep('1h');
  const agent = deploy({ old: sleep, new: sleep }, { followUps: 'interrupt' });
  const old = await before.start();
  const { id } = await old.submit(agent, 'first');
  await asleep(tables, id!);
  const engine = await after.start();
  await engine.submit(agent, { taskId: id, parts: [{ text: 'second' }] });
  expect(await versionOf(id!)).toBe('1.3.0');
  await engine.cancel(agent, id!);
});

it('notes the version of the first run, where a task waited for it through a deploy', async () => {
  const agent = deploy({ old: () => 'old', new: () => 'new' });
  const old = await before.start();
  const metadata = { [SCHEDULING_EXTENSION.uri]: { startAt: '1h' } };
  const { id } = await old.send(agent, 'go', { metadata });
  expect(await versionOf(id!)).toBe('1.2.0');
  await old.stop();
  await hasten(tables, id!);
  await after.start();
  await tables.until(id!, 'COMPLETED');
  expect(await versionOf(id!)).toBe('1.3.0');
});
