import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { loadConfig, packageVersion } from '#platform';
import { type RunningProcess } from '../../apps/process/src/start-process.js';
import { startServer } from '../../apps/server/src/server.js';
import { cli, CliRun } from '../support/cli.js';
import { useDatabase } from '../support/postgres.js';

describe('perdure', () => {
  const database = useDatabase();
  let folder: string;
  let server: RunningProcess;
  let agent: string;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'perdure-cli-'));
    await cli('new', 'agent', 'word-count', '--dir', folder);
    const env = { DATABASE_URL: database.url, PORT: '0', GRPC_PORT: '0', PERDURE_AGENTS: folder };
    server = await startServer(loadConfig({ ...env, PERDURE_LOG_LEVEL: 'silent' }));
    agent = `${server.url}/agents/word-count`;
  });

  afterAll(async () => {
    await server.stop();
    await rm(folder, { recursive: true });
  });

  async function taskIdOf(...args: string[]): Promise<string> {
    const { stdout } = await cli('send', agent, ...args, '--json');
    return JSON.parse(stdout).task.id;
  }

  it('sends to the agent that `perdure new agent` wrote', async () => {
    const { exitCode, stdout } = await cli('send', server.url, 'To be or not to be', '--agent', 'word-count');

    expect(stdout).toMatch(/--- count\.json ---\n\{\n {2}"words": 6\n\}\ncompleted: Your text has 6 words\.\n$/);
    expect(exitCode).toBe(0);
  });

  it('streams the same', async () => {
    const { exitCode, stdout } = await cli('send', agent, 'To be or not to be', '--stream');

    expect(stdout).toMatch(
      /submitted\n[^]*working: Counting\n--- count\.json ---\n[^]*completed: Your text has 6 words/,
    );
    expect(exitCode).toBe(0);
  });

  it('carries on with a task that asked, by --task', async () => {
    const asked = await cli('send', agent, 'Hello');
    const id = /^task (\S+)/.exec(asked.stdout)![1]!;
    expect(asked.stdout).toContain('input-required: That is one word');

    expect((await cli('send', agent, 'Two words', '--task', id)).stdout).toContain('Your text has 2 words');
  });

  it.each([[[]], [['--stream']]])('asks the person at the terminal (%s)', async (flags) => {
    const run = new CliRun(['send', agent, 'Hello', ...flags], { tty: true });
    await run.shows('Your answer: ');
    run.types('Three words then');

    expect(await run.ended).toBe(0);
    expect(run.stdout).toContain('Your text has 3 words');
  });

  it('sends the same task again under the same idempotency key', async () => {
    const first = await taskIdOf('To be or not', '--idempotency-key', 'k1');
    const again = await taskIdOf('To be or not', '--idempotency-key', 'k1');
    const other = await taskIdOf('To be or not');

    expect(again).toBe(first);
    expect(other).not.toBe(first);
  });

  it('replays a task that has ended to who watches it', async () => {
    const id = await taskIdOf('To be or not to be');

    const { exitCode, stdout } = await cli('watch', agent, id);

    expect(stdout).toMatch(
      /submitted\n[^]*working: Counting\n--- count\.json ---\n[^]*completed: Your text has 6 words/,
    );
    expect(exitCode).toBe(0);
  });

  it('lists, shows and cancels tasks', async () => {
    const id = await taskIdOf('Hello', '--context', 'c2');

    const list = await cli('tasks', 'ls', agent, '--context', 'c2', '--state', 'input-required');
    const canceled = await cli('tasks', 'cancel', agent, id);
    const shown = await cli('tasks', 'get', agent, id);

    expect(list.stdout.split('\n')[1]).toMatch(new RegExp(`^${id} +input-required .* c2 +That is one word`));
    expect(canceled).toMatchObject({ exitCode: 0, stdout: `task ${id}\ncanceled\n` });
    expect(shown.stdout).toBe(canceled.stdout);
  });

  it('says that a task which has ended cannot be canceled, and ends with 2', async () => {
    const id = await taskIdOf('To be or not to be');

    const { exitCode, stderr } = await cli('tasks', 'cancel', agent, id);

    expect(stderr).toMatch(/cannot be canceled/);
    expect(exitCode).toBe(2);
  });

  it('prints the card', async () => {
    const { stdout } = await cli('card', agent);

    expect(stdout).toContain('Word count 1.0.0\nCounts the words of a text.\n');
    expect(stdout).toContain(`JSONRPC 1.0  ${agent}`);
  });

  it('says what is wrong with a refused call, and ends with 2', async () => {
    const { exitCode, stderr } = await cli('tasks', 'get', agent, 'no-such-task');

    expect(stderr).toMatch(/^Task not found/);
    expect(exitCode).toBe(2);
  });
});

describe('perdure new agent', () => {
  let folder: string;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'perdure-new-'));
  });
  afterAll(() => rm(folder, { recursive: true }));

  it('overwrites neither an agent nor a README', async () => {
    await cli('new', 'agent', 'one', '--dir', join(folder, 'agents'));
    const source = await readFile(join(folder, 'agents/one.agent.ts'), 'utf8');

    const again = await cli('new', 'agent', 'one', '--dir', join(folder, 'agents'));
    const other = await cli('new', 'agent', 'two', '--dir', join(folder, 'agents'));

    expect(again).toMatchObject({ exitCode: 2, stderr: expect.stringContaining('is there already') });
    expect(await readFile(join(folder, 'agents/one.agent.ts'), 'utf8')).toBe(source);
    expect(other.exitCode).toBe(0);
    expect(await readFile(join(folder, 'agents/README.md'), 'utf8')).toContain('/agents/one');
  });

  it.each(['a/b', '..', 'a b', '', 'x'.repeat(65), "a'b"])('refuses the name "%s"', async (name) => {
    const { exitCode, stderr } = await cli('new', 'agent', name, '--dir', join(folder, 'refused'));

    expect(stderr).toContain('is no agent name');
    expect(exitCode).toBe(2);
  });
});

describe('perdure --version and --help', () => {
  it('print to stdout and end with 0', async () => {
    expect(await cli('--version')).toEqual({ exitCode: 0, stdout: `${packageVersion()}\n`, stderr: '' });
    for (const command of ['serve', 'dev', 'migrate', 'new', 'send', 'watch', 'tasks', 'card']) {
      const { exitCode, stdout } = await cli(command, '--help');
      expect(stdout).toContain(`Usage: perdure ${command}`);
      expect(exitCode).toBe(0);
    }
  });
});
