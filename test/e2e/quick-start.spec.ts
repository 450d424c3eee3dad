import { execFile } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { beforeAll, describe, expect, it } from 'vitest';
import { packageRoot } from '#platform';
import { EXAMPLE_AGENTS } from '../support/agent-folders.js';
import { cli } from '../support/cli.js';
import { PERDURE } from '../support/perdure-process.js';
import { type ServerProcess, useServerProcesses } from '../support/server-process.js';
import { temporaryFolder } from '../support/temporary-folder.js';

const readme = readFileSync(join(packageRoot(), 'README.md'), 'utf8');
const run = promisify(execFile);
const folder = temporaryFolder();
const startServer = useServerProcesses('postgres', PERDURE);
const agents = join(folder, 'agents');

/** The one piece of the README that matches. */
function piece(pattern: RegExp): string {
  const pieces = [...readme.matchAll(pattern)].map((match) => match[1]!);
  expect(pieces).toHaveLength(1);
  return pieces[0]!;
}

/** Runs an `npx perdure …` line of the README at the server. */
function perdure(line: string, server: ServerProcess): ReturnType<typeof cli> {
  const words = line.replace('http://localhost:8080', server.url).match(/'[^']*'|\S+/g)!;
  return cli(...words.map((word) => word.replaceAll("'", '')));
}

describe('whoever follows the README', () => {
  let server: ServerProcess;
  const start = () => startServer({ agents: [EXAMPLE_AGENTS, agents], dataDir: join(folder, 'data') });
  beforeAll(async () => {
    mkdirSync(agents);
    writeFileSync(join(agents, 'dice.agent.ts'), piece(/`dice\.agent\.ts`:\n\n```ts\n([^]*?)```/g));
    server = await start();
  });

  it('has an answer by curl', async () => {
    const line = piece(/^\$ (curl [^]*?'\{[^]*?\}')$/gm).replace('http://localhost:8080', server.url);
    const answer = JSON.parse((await run('sh', ['-c', line])).stdout) as { result: { task: object } };
    expect(answer.result.task).toMatchObject({
      status: { state: 'TASK_STATE_COMPLETED', message: { parts: [{ text: 'Hello!' }] } },
    });
  });

  it('has a report streamed', async () => {
    const report = await perdure(piece(/^\$ npx perdure (send .* --stream .*)$/gm), server);
    expect(report).toMatchObject({ exitCode: 0 });
    expect(report.stdout).toContain('# Report on sales.csv');
  });

  it('writes an agent, kills the server while it waits for an answer, and has its dice', async () => {
    const at = (line: string) => line.replace('http://localhost:8080', 'http://localhost:8080 --agent dice');
    const asked = await perdure(at(piece(/^\$ npx perdure (send \S+ 'Roll')$/gm)), server);
    expect(`${asked.stdout}${asked.stderr}`).toContain('input-required: How many dice?');
    const [task] = (await server.rpc('dice').call('ListTasks')).tasks!;

    await server.kill();
    server = await start();
    const answer = piece(/^\$ npx perdure (send \S+ 3 --task) \S+$/gm);
    const rolled = await perdure(at(`${answer} ${task!.id}`), server);
    expect(rolled).toMatchObject({ exitCode: 0 });
    expect(`${rolled.stdout}${rolled.stderr}`).toMatch(/completed: You rolled [1-6], [1-6], [1-6]\./);
  });
});

describe('whoever reads on', () => {
  const below = (dir: string) =>
    readdirSync(join(packageRoot(), dir), { recursive: true, encoding: 'utf8' }).map((path) => join(dir, path));
  const pages = ['README.md', 'CONTRIBUTING.md', ...below('docs'), ...below('examples')].filter((path) =>
    path.endsWith('.md'),
  );

  it.each(pages)('finds every page and file that %s names', (page) => {
    const text = readFileSync(join(packageRoot(), page), 'utf8');
    const links = [...text.matchAll(/\]\((?!https?:|#)([^)#\s]+)/g)].map((match) => match[1]!);
    expect(links.filter((link) => !existsSync(join(packageRoot(), dirname(page), link)))).toEqual([]);
  });
});
