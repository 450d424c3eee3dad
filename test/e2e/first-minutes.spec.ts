import { readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { packageRoot } from '#platform';
import { ECHO_AGENT } from '../support/agent-folders.js';
import { CliRun } from '../support/cli.js';
import { freePort } from '../support/free-port.js';
import { type CutAt, LineCutter } from '../support/line-cutter.js';
import { PerdureProcess } from '../support/perdure-process.js';
import { type ServerProcess, useServerProcesses } from '../support/server-process.js';
import { temporaryFolder } from '../support/temporary-folder.js';

const LOST = 'Connection lost, waiting for the server …';
const BACK = 'Back again, the task goes on.';
const STEPS = ['build', 'test', 'upload', 'announce'];
const readme = readFileSync(join(packageRoot(), 'README.md'), 'utf8');
const folder = temporaryFolder();
const startServer = useServerProcesses();

/** The README's session: what the server says, the command, and what it prints. */
const session =
  /^Process (\d+)$[^]*?^\$ (npx perdure send .* --agent release --stream)\n([^]*?)^```$[^]*?^\$ kill -9 (\d+)/m.exec(
    readme,
  )!;

/** Kills a process and what is in its group at once. */
function killGroup(pid: number): void {
  process.kill(-pid, 'SIGKILL');
}

/** What differs from run to run, by its name. */
function anonymous(output: string): string[] {
  const named = output
    .replace(/^task \S+$/gm, 'task ID')
    .replace(/^\| (\w+) \| \d+ \| \d{4}-\S+Z \|$/gm, '| $1 | PID | TIME |')
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('npm '));
  return named;
}

describe('the first five minutes', { timeout: 180_000 }, () => {
  const processes: PerdureProcess[] = [];
  const dataDir = join(folder, 'data');
  let port: number;
  let banner: string;
  let send: PerdureProcess;
  let effects: string;

  beforeAll(async () => {
    port = await freePort();
  });

  afterAll(async () => {
    await Promise.all(processes.map((each) => each.dispose()));
    if (effects) rmSync(effects, { force: true });
  });

  /** A command as it is typed in the clone, but for the build that comes before `npm start`: it would disturb other tests. */
  function type(command: string, ...args: string[]): PerdureProcess {
    const settings = { PORT: String(port), PERDURE_DATA_DIR: dataDir, DATABASE_URL: '' };
    const typed = new PerdureProcess(args, { command, cwd: packageRoot(), env: settings });
    processes.push(typed);
    return typed;
  }

  async function npmStart(): Promise<{ npm: PerdureProcess; pid: number }> {
    const npm = type('npm', 'start', '--ignore-scripts');
    const [, pid] = await npm.shows(/^Process (\d+)$/m);
    await npm.shows(/npx perdure send/);
    return { npm, pid: Number(pid) };
  }

  it('go as in the README: the task goes on over kill -9 in the middle of a step and between steps, and no step is repeated', async () => {
    const [, , command] = session;
    const first = await npmStart();
    banner = first.npm.output;
    const words = command!.replace(':8080', `:${port}`).match(/'[^']*'|\S+/g)!;
    send = type('npx', ...words.slice(1).map((word) => word.replaceAll("'", '')));
    const [, taskId] = await send.shows(/^task (\S+)$/m);
    effects = join(tmpdir(), 'perdure-release', `${taskId}.jsonl`);

    // In the log and in the other terminal: neither is always the first.
    await Promise.all([first.npm.shows(/test begins/), send.shows(/working: 2 of 4, test/)]);
    process.kill(first.pid, 'SIGKILL');
    await send.shows(new RegExp(LOST));
    await first.npm.ended;
    const second = await npmStart();
    await send.shows(/working: Waiting for the mirrors/);
    const seen = send.output.length;
    process.kill(postmaster(), 'SIGKILL');
    killGroup(second.npm.pid);
    await send.shows(new RegExp(LOST), seen);
    await second.npm.ended;
    const third = await npmStart();

    expect(await send.ended, send.output).toBe(0);
    const done = readFileSync(effects, 'utf8')
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(done).toMatchObject([
      { step: 'build', process: first.pid },
      { step: 'test', process: second.pid },
      { step: 'upload', process: second.pid },
      { step: 'announce', process: third.pid },
    ]);
    // The step that the first kill interrupted began twice, the others once.
    const log = [first, second, third].map(({ npm }) => npm.output).join('\n');
    expect(STEPS.map((step) => log.split(`"${step} begins"`).length - 1)).toEqual([1, 2, 1, 1]);
    expect(STEPS.map((step) => log.split(`"${step} done"`).length - 1)).toEqual([1, 1, 1, 1]);
  });

  it('show each event once in the terminal, with a line for each loss and each return', () => {
    expect(anonymous(send.output)).toEqual([
      'task ID',
      'submitted',
      'working',
      'working: 1 of 4, build',
      'working: 2 of 4, test',
      ...[LOST, BACK],
      'working: 3 of 4, upload',
      'working: Waiting for the mirrors',
      ...[LOST, BACK],
      'working: 4 of 4, announce',
      '--- release.md ---',
      '| step | done by process | at |',
      '| --- | --- | --- |',
      ...STEPS.map((step) => `| ${step} | PID | TIME |`),
      'completed: Released.',
    ]);
  });

  it('are shown in the README as they are', () => {
    const [, started, , shown, killed] = session;
    const anywhere = (text: string) => text.replace(/:\d+$/gm, ':PORT').replace(/^Process \d+$/m, 'Process PID');
    const [, says] = /^```\n(Perdure listens [^]*?)…\n```$/m.exec(readme)!;
    expect(anywhere(banner)).toContain(anywhere(says!));
    // The README kills once.
    expect(anonymous(shown!)).toEqual([...new Set(anonymous(send.output))]);
    const pids = [...shown!.matchAll(/^\| \w+ \| (\d+) \|/gm)].map(([, pid]) => pid);
    expect([started, pids[0]]).toEqual([killed, killed]);
    expect(new Set(pids.slice(1)).size).toBe(1);
    expect(pids[1]).not.toBe(killed);
  });

  function postmaster(): number {
    return Number(readFileSync(join(dataDir, 'postgres/data/postmaster.pid'), 'utf8').split('\n')[0]);
  }
});

describe('perdure send to a server that is killed before its first answer has come', { timeout: 60_000 }, () => {
  const dataDir = join(folder, 'before-the-answer');
  let line: LineCutter;
  let server: ServerProcess;
  let start: () => Promise<ServerProcess>;

  beforeAll(async () => {
    const port = await freePort();
    line = await LineCutter.start(port);
    const env = { PORT: String(port), PUBLIC_URL: line.url };
    start = () => startServer({ agents: [ECHO_AGENT], dataDir, env });
    server = await start();
  });
  afterAll(() => line.close());

  it.each<[string, CutAt, string[]]>([
    ['before it had the message', 'request', []],
    ['after it had taken the message', 'answer', []],
    ['before it had the message', 'request', ['--stream']],
    ['after it had taken the message', 'answer', ['--stream']],
  ])('makes one task of it: killed %s (%s %j)', async (when, at, options) => {
    const text = `${when} ${options.join()}`;
    const cut = line.cutNext(at, /"method":"Send/, () => server.signal('SIGKILL'));
    const send = new CliRun(['send', line.url, text, ...options]);
    await cut;
    await server.ended;
    server = await start();

    expect(await send.ended, send.stderr).toBe(0);
    expect(send.stderr).toBe(`${LOST}\n${BACK}\n`);
    const before = options.length > 0 ? ['submitted', 'working'] : [];
    expect(send.stdout.split('\n').slice(1, -1)).toEqual([...before, `completed: ${text}`]);
    const { tasks = [] } = await server.rpc('echo').call('ListTasks');
    expect(tasks.filter(({ status }) => status?.message?.parts?.[0]?.text === text)).toHaveLength(1);
    expect(send.stdout).toContain(`task ${tasks[0]!.id}\n`);
  });
});
