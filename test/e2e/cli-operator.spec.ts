import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { OPERATED_AGENTS } from '../support/agent-folders.js';
import { cli, CliRun } from '../support/cli.js';
import { useServers } from '../support/in-process-server.js';
import { useTables } from '../support/task-tables.js';
import { temporaryFolder } from '../support/temporary-folder.js';

const servers = useServers(1, { agentDirs: [OPERATED_AGENTS] });
const folder = temporaryFolder();
const tables = useTables({
  get url() {
    return servers.databaseUrl;
  },
});

/** A task whose agent fails until the file is there. */
async function failedTask(name: string): Promise<{ id: string; mend: () => void }> {
  const file = join(folder, name);
  const task = await servers.rpc('mendable').send(file);
  expect(task.status?.state).toBe('TASK_STATE_FAILED');
  return { id: task.id!, mend: () => writeFileSync(file, '') };
}

const perdure = (command: string, ...args: string[]) => cli('tasks', command, servers.url, ...args);

describe('the operator of a task that has failed', () => {
  it('finds it, sees why, and has it go on from where it stood once the cause is mended', async () => {
    const { id, mend } = await failedTask('one');

    const dead = await perdure('dead', '--agent', 'mendable');
    expect(dead.stdout).toMatch(new RegExp(`^TASK .*\n${id}  default  mendable  failed .* error\n$`));
    const inspected = await perdure('inspect', id);
    expect(inspected.stdout).toMatch(/^reason {5}error, error id [0-9a-f-]{36}$/m);
    const journal = await perdure('journal', id);
    expect(journal.stdout).toBe('PLACE  KIND  NAME  BYTES  VALUE\n1      step  load  11     {"rows":42}\n');

    mend();
    const { exitCode, stdout } = await perdure('redrive', id);

    expect(stdout).toBe(`done      ${id}  the task is opened again, and goes on from what it has recorded\n`);
    expect(exitCode).toBe(0);
    await tables.until(id, 'COMPLETED');
    const events = await perdure('events', id);
    expect(events.stdout.match(/^#\d+/gm)).toEqual(['#1', '#2', '#3', '#4', '#5']);
    expect(events.stdout).toContain('working: The task goes on: its operator has started it again\n#5');
    expect(await perdure('dead', '--agent', 'mendable')).toMatchObject({ stdout: '', stderr: '0 tasks\n' });
    expect(await perdure('redrive')).toMatchObject({ exitCode: 0, stdout: '', stderr: 'redrive: 0 tasks\n' });
  });

  it('prints the events and the journals of several tasks, by ids and by filter', async () => {
    const failed = [await failedTask('log-a'), await failedTask('log-b')];
    const ids = failed.map(({ id }) => id);

    const events = await perdure('events', ...ids);
    expect(events.stdout.match(/^TASK .*|^#\d+/gm)).toEqual([
      ...[`TASK ${ids[0]}`, '#1', '#2', '#3'],
      ...[`TASK ${ids[1]}`, '#1', '#2', '#3'],
    ]);
    const lines = (await perdure('events', ...ids, '--json')).stdout.trim().split('\n');
    expect(lines.map((line) => (JSON.parse(line) as { task: string }).task)).toEqual(ids.flatMap((id) => [id, id, id]));
    const journals = await perdure(
      'journal',
      '--agent',
      'mendable',
      '--state',
      'failed',
      '--younger-than',
      '1h',
      '--json',
    );
    expect(JSON.parse(journals.stdout)).toEqual(
      expect.arrayContaining(ids.map((task) => ({ task, records: [expect.objectContaining({ name: 'load' })] }))),
    );
    expect((await perdure('journal', ids[0]!, '--state', 'failed')).exitCode).toBe(2);
    expect((await perdure('events')).stderr).toContain('Say which tasks');
    expect((await perdure('journal', ...ids, '--place', '1')).stderr).toContain('--place is for one task');

    for (const { mend } of failed) mend();
    await perdure('redrive', ...ids);
    for (const id of ids) await tables.until(id, 'COMPLETED');
  });

  it('redrives all of them by a filter, after a look at which', async () => {
    const failed = [await failedTask('a'), await failedTask('b'), await failedTask('c')];
    const ids = failed.map(({ id }) => id);
    for (const { mend } of failed) mend();

    const asked = await perdure('redrive', '--reason', 'error');
    expect(asked).toMatchObject({ exitCode: 1, stdout: '' });
    expect(asked.stderr).toContain('redrive: 3 tasks. Nothing is done yet: add --yes to do it');
    const dry = await perdure('redrive', '--reason', 'error', '--dry-run');
    expect(dry.stdout.match(/^possible/gm)).toHaveLength(3);
    expect(await tables.states(ids[0]!)).not.toContain('COMPLETED');

    const done = await perdure('redrive', '--reason', 'error', '--yes', '--json');

    expect(JSON.parse(done.stdout)).toMatchObject(ids.map((id) => ({ id, tenant: 'default', outcome: 'done' })));
    expect(done.exitCode).toBe(0);
    for (const id of ids) await tables.until(id, 'COMPLETED');
  });

  it('is asked at a terminal, and may think better of it', async () => {
    const { id, mend } = await failedTask('asked');
    mend();
    const run = async (answer: string) => {
      const command = new CliRun(['tasks', 'redrive', `${servers.url}/agents/mendable`], { tty: true });
      await command.shows('redrive: 1 task. Go on? [y/N]');
      command.types(answer);
      return command.ended;
    };
    expect(await run('no')).toBe(0);
    expect((await tables.states(id)).at(-1)).toBe('FAILED');
    expect(await run('y')).toBe(0);
    await tables.until(id, 'COMPLETED');
  });
});

describe('the operator of a task that is open', () => {
  it('sends it a signal, once under a key', async () => {
    const { id, mend } = await failedTask('x.wait');
    mend();
    await perdure('redrive', id);
    await tables.waitFor(async () => expect((await perdure('inspect', id)).stdout).toContain('waits for  signal'));
    expect((await perdure('find', '--waits-for', 'signal')).stdout).toContain(id);

    const sent = await perdure('signal', id, 'paid', '{"sum":7}', '--key', 'k1');

    expect(sent).toMatchObject({ exitCode: 0, stdout: `done      ${id}  signal 1 of the task\n` });
    await tables.until(id, 'COMPLETED');
    expect((await perdure('signal', id, 'paid')).exitCode).toBe(1);
    expect(await perdure('signal', id, 'paid', '{')).toMatchObject({
      exitCode: 2,
      stderr: expect.stringContaining('It is JSON'),
    });
  });

  it('resets it to a step, and cancels it: by id as its client would, by filter as its operator', async () => {
    const tasks = [await failedTask('1.ask'), await failedTask('2.ask')];
    const ids = tasks.map(({ id }) => id);
    for (const { mend } of tasks) mend();
    await perdure('redrive', ...ids);
    for (const id of ids) await tables.until(id, 'INPUT_REQUIRED');

    const reset = await perdure('reset', ids[0]!, '--to', 'send');
    expect(reset.stdout).toContain('2 of 3 records are dropped');
    await tables.waitFor(async () =>
      expect((await tables.states(ids[0]!)).slice(-2)).toEqual(['WORKING', 'INPUT_REQUIRED']),
    );

    expect((await perdure('cancel', ids[0]!)).stdout).toContain('canceled');
    const canceled = await perdure('cancel', '--waits-for', 'input', '--yes');
    expect(canceled.stdout).toBe(`done      ${ids[1]}  the task is canceled\n`);
    for (const id of ids) expect((await tables.states(id)).at(-1)).toBe('CANCELED');
  });

  it('is told by the exit code and in words where a task refuses', async () => {
    const { id, mend } = await failedTask('done');
    mend();
    await perdure('redrive', id);
    await tables.until(id, 'COMPLETED');
    for (const command of ['retry', 'reset', 'redrive']) {
      const { exitCode, stdout } = await perdure(command, id);
      expect(stdout).toBe(`refused   ${id}  the task is completed, and stays so: only a failed one can go on\n`);
      expect(exitCode).toBe(1);
    }
  });
});

it("means by the URL of an agent or tenant that one's tasks alone", async () => {
  const { id } = await failedTask('elsewhere');
  const find = async (path: string) => (await cli('tasks', 'find', `${servers.url}${path}`)).stdout;
  expect(await find('/agents/mendable')).toContain(id);
  expect(await find('/agents/mendable/default/.well-known/agent-card.json')).toContain(id);
  for (const path of ['/agents/other', '/agents/mendable/acme', '/acme']) expect(await find(path)).toBe('');
});

describe('a mistake of the operator', () => {
  it.each([
    [['retry'], 'Say which tasks: their ids, or options such as --agent'],
    [['retry', 'nonsense', '--older-than', '1h'], 'by their ids, or by options such as --older-than, not by both'],
    [['cancel', 'nonsense', '--older-than', '1h'], 'by their ids, or by options such as --older-than, not by both'],
    [['get', 'nonsense'], "Is it another agent's, or another tenant's? See --agent and --tenant"],
    [['retry', 'nonsense'], 'ids[0] must be the id of a task, a UUID'],
    [['inspect', 'nonsense'], 'Task not found'],
    [['find', '--state', 'dead'], 'It is one of submitted, working'],
    [['find', '--waits-for', 'godot'], 'Allowed choices are input'],
    [['find', '--older-than', 'long'], 'Write it as 90s, 15m, 24h or 7d'],
    [['find', '--agent', 'a/b'], 'agent must be 1 to 64 letters'],
  ])('ends %j with 2 and says what is wrong', async ([command, ...args], message) => {
    const { exitCode, stderr } = await perdure(command!, ...args);
    expect(stderr).toContain(message);
    expect(exitCode).toBe(2);
  });

  it('in the address ends with 2 and names it', async () => {
    expect(await cli('tasks', 'dead', 'localhost:8080')).toMatchObject({ exitCode: 2 });
    const nothing = await cli('tasks', 'dead', 'http://127.0.0.1:9');
    expect(nothing).toMatchObject({
      exitCode: 2,
      stderr: expect.stringContaining('No answer from http://127.0.0.1:9'),
    });
  });
});
