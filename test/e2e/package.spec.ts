import { execFile } from 'node:child_process';
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { packageRoot } from '#platform';
import { installPackage } from '../support/installed-package.js';
import { PerdureProcess } from '../support/perdure-process.js';

const run = promisify(execFile);

const LISTENS = /Perdure listens on (http:\S+)/;

const AGENT = `import { defineAgent, Fail, type MessageJson } from 'perdure';

export default defineAgent({
  card: { name: 'Mine', description: 'Counts the parts of a message.' },
  async run(task) {
    const message: MessageJson = task.message;
    if (message.parts?.[0]?.text === 'Stay') await new Promise(() => undefined);
    const parts: number = await task.step('count', ({ signal }) => (signal.aborted ? 0 : (message.parts ?? []).length));
    if (parts === 0) throw new Fail('No parts.');
    return \`Parts: \${parts}\`;
  },
});
`;

/** Were the types not found, all of this would be `any` and right. */
const WRONG = `import { defineAgent } from 'perdure';
// @ts-expect-error: an agent has a card
defineAgent({ run: () => 'Hi' });
`;

const TSCONFIG = {
  compilerOptions: { module: 'nodenext', moduleResolution: 'nodenext', target: 'es2022', strict: true, noEmit: true },
  files: ['my.agent.ts', 'agents/fresh.agent.ts', 'wrong.ts'],
};

/** The packed package, installed into an empty project: what a user has after `npm install perdure`. */
describe('the published package', { timeout: 180_000 }, () => {
  let folder: string;
  const servers: PerdureProcess[] = [];

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'perdure-package-'));
    // mkdtemp lets nobody else in, and root's Postgres is somebody else.
    await chmod(folder, 0o755);
    await installPackage(folder);
    await writeFile(join(folder, 'my.agent.ts'), AGENT);
  }, 180_000);

  afterAll(async () => {
    await Promise.all(servers.map((server) => server.dispose()));
    await rm(folder, { recursive: true });
  });

  it('has types that resolve for an agent written against it', async () => {
    await run('node_modules/.bin/perdure', ['new', 'agent', 'fresh'], { cwd: folder });
    await writeFile(join(folder, 'wrong.ts'), WRONG);
    await writeFile(join(folder, 'tsconfig.json'), JSON.stringify(TSCONFIG));

    const tsc = join(packageRoot(), 'node_modules/typescript/bin/tsc');
    const checked = run(process.execPath, [tsc, '-p', folder]).catch((error: { stdout?: string }) => error);

    expect((await checked).stdout).toBe('');
  });

  it('serves the agent, answers, and ends with 0 on SIGTERM, leaving nothing behind', async () => {
    const server = serve(join(folder, 'node_modules/.bin/perdure'), 'serve', '.');
    const [, url] = await server.shows(LISTENS);
    expect(await processesOf(folder)).not.toEqual([]);

    const sent = await run('npx', ['perdure', 'send', url!, 'Hello', '--agent', 'my'], { cwd: folder });
    expect(sent.stdout).toContain('completed: Parts: 1');

    server.signal('SIGTERM');
    expect(await server.ended).toBe(0);
    expect(await processesOf(folder)).toEqual([]);
  });

  it.each([
    ['Ctrl-C', (server: PerdureProcess) => server.pressesCtrlC()],
    // npm does not pass it on to what its shell runs.
    ['SIGTERM', (server: PerdureProcess) => server.signal('SIGTERM')],
  ])('leaves nothing behind when npx gets %s', async (_, stop) => {
    const server = serve('npx', 'perdure', 'serve', '.');
    await server.shows(/npx perdure send/);

    stop(server);

    await server.ended;
    expect(await processesOf(folder)).toEqual([]);
  });

  it('takes a Ctrl-C for one although npm passes it on as well, and ends with 0', async () => {
    await run('npm', ['pkg', 'set', 'scripts.serve=exec perdure serve .'], { cwd: folder });
    const server = serve('npm', 'run', 'serve');
    const [, url] = await server.shows(LISTENS);
    // Keeps the server busy stopping while the second signal comes.
    await run('node_modules/.bin/perdure', ['send', url!, 'Stay', '--agent', 'my', '--no-wait'], { cwd: folder });

    server.pressesCtrlC();

    expect(await server.ended).toBe(0);
  });

  function serve(command: string, ...args: string[]): PerdureProcess {
    const env = {
      DATABASE_URL: '',
      PERDURE_DATA_DIR: 'data',
      PORT: '0',
      PERDURE_LOG_LEVEL: 'warn',
      PERDURE_DRAIN: '1s',
    };
    const server = new PerdureProcess(args, { command, cwd: folder, env });
    servers.push(server);
    return server;
  }
});

/** The command lines of the running processes whose program or data is in the folder. */
async function processesOf(folder: string): Promise<string[]> {
  const { stdout } = await run('ps', ['-eo', 'args']);
  return stdout.split('\n').filter((line) => line.includes(folder));
}
