import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, expect, it } from 'vitest';
import type { AgentTask } from './agent-task.js';
import { AgentLoadError } from './agent-load-error.js';
import { loadAgents } from './load-agents.js';
import { isReject, Reject } from './refusals.js';

const defaults = { retryAttempts: 3, retryInitialDelayMs: 1_000, retryMaxDelayMs: 300_000, runTimeoutMs: 1_800_000 };
const card = `card: { name: 'A', description: 'B' }`;
const importSdk = `import { defineAgent, Reject, type AgentTask } from 'perdure';\n`;

let dir: string;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'perdure-agents-'));
});
afterEach(() => rm(dir, { recursive: true }));

async function write(name: string, text: string): Promise<string> {
  const path = join(dir, name);
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, text);
  return path;
}

async function loadError(): Promise<AgentLoadError> {
  const error: unknown = await loadAgents([dir], defaults).catch((thrown: unknown) => thrown);
  if (!(error instanceof AgentLoadError)) throw new Error('expected an AgentLoadError', { cause: error });
  return error;
}

it('loads TypeScript as it is from a folder outside of the repository, ordered by id', async () => {
  await write('words.ts', `export const words: readonly string[] = ['from', 'a', 'neighbour'];`);
  await write(
    'b.agent.ts',
    `${importSdk}import { words } from './words.js';
    enum Mood { Good }
    export default defineAgent({ ${card}, run: (_task: AgentTask) => [...words, String(Mood.Good)] });`,
  );
  await write(
    'sub/a.agent.mts',
    `${importSdk}const name = await Promise.resolve('later');
    export default defineAgent({ ${card}, run: () => name });`,
  );

  const [a, b, ...others] = await loadAgents([dir], defaults);

  expect(others).toEqual([]);
  expect([a!.id, b!.id]).toEqual(['a', 'b']);
  expect(a!.source).toBe(join(dir, 'sub/a.agent.mts'));
  expect(a!.run({} as AgentTask)).toBe('later');
  expect(b!.run({} as AgentTask)).toEqual(['from', 'a', 'neighbour', '0']);
});

it('gives agent files the running SDK, so what they throw is recognised', async () => {
  await write(
    'no.agent.ts',
    `${importSdk}
    export default defineAgent({ ${card}, run() { throw new Reject('not for me'); } });`,
  );
  const [agent] = await loadAgents([dir], defaults);
  let thrown: unknown;
  try {
    await agent!.run({} as AgentTask);
  } catch (error) {
    thrown = error;
  }
  expect(isReject(thrown)).toBe(true);
  expect(thrown).toBeInstanceOf(Reject);
});

it('loads plain JavaScript, as ES module and as CommonJS', async () => {
  await write(
    'esm.agent.js',
    `import { defineAgent } from 'perdure'; export default defineAgent({ ${card}, run() {} });`,
  );
  await write(
    'cjs.agent.cjs',
    `const { defineAgent } = require('perdure'); module.exports = defineAgent({ ${card}, run() {} });`,
  );
  await write(
    'old.agent.js',
    `const perdure = require('perdure'); exports.default = perdure.defineAgent({ ${card}, run() {} });`,
  );
  expect((await loadAgents([dir], defaults)).map((agent) => agent.id)).toEqual(['cjs', 'esm', 'old']);
});

it('finds npm packages near the agent file', async () => {
  await write('node_modules/esm-package/package.json', `{ "type": "module", "exports": "./main.js" }`);
  await write('node_modules/esm-package/main.js', `export default 'esm';`);
  await write('node_modules/cjs-package/index.js', `exports.kind = 'cjs';`);
  await write(
    'a.agent.ts',
    `${importSdk}import esm from 'esm-package'; import { kind } from 'cjs-package';
    export default defineAgent({ ${card}, run: () => [esm, kind] });`,
  );
  const [agent] = await loadAgents([dir], defaults);
  expect(agent!.run({} as AgentTask)).toEqual(['esm', 'cjs']);
});

it('looks one level deep, follows links, and passes over hidden folders, packages and other files', async () => {
  const agent = `${importSdk}export default defineAgent({ ${card}, run() {} });`;
  await write('one/one.agent.ts', agent);
  await write('one/two/deep.agent.ts', agent);
  await write('.hidden/linked.agent.ts', agent);
  await write('node_modules/packaged.agent.ts', agent);
  await write('agent.ts', 'this is no agent');
  await write('one.agent.spec.ts', 'neither is this');
  await symlink(join(dir, '.hidden/linked.agent.ts'), join(dir, 'linked.agent.ts'));
  expect((await loadAgents([dir, `${dir}/`], defaults)).map(({ id }) => id)).toEqual(['linked', 'one']);
});

it('reports every broken file, each with its file, error and line', async () => {
  const files = {
    syntax: await write('1.agent.ts', `${importSdk}export default defineAgent({\n  card: { name: }\n});`),
    throwing: await write('2.agent.ts', `const settings: { url?: URL } = {};\n\nsettings.url!.href;\n`),
    noModule: await write('3.agent.ts', `import { x } from './not-there.js';\nexport default x;`),
    noAgent: await write('4.agent.ts', `export default { run() {} };`),
    wrong: await write(
      '5.agent.ts',
      `${importSdk}export default defineAgent({ ${card}, retry: { attempts: 0 } } as never);`,
    ),
    odd: await write('6.agent.ts', `throw 'a text';`),
    noDefinition: await write('7.agent.ts', `${importSdk}export default defineAgent(undefined as never);`),
  };
  const error = await loadError();
  expect(error.problems).toEqual([
    { file: files.syntax, message: expect.stringMatching(/ParseError: .*1\.agent\.ts:3:/) },
    { file: files.throwing, message: "TypeError: Cannot read properties of undefined (reading 'href') (line 3)" },
    { file: files.noModule, message: expect.stringContaining("Cannot find module './not-there.js'") },
    { file: files.noAgent, message: 'the file must have the line: export default defineAgent({ … })' },
    { file: files.wrong, message: 'run is missing' },
    { file: files.wrong, message: 'retry.attempts must be a whole number from 1 to 100, not 0' },
    { file: files.odd, message: 'it threw "a text"' },
    { file: files.noDefinition, message: expect.stringContaining('defineAgent takes an object') },
  ]);
  for (const { file, message } of error.problems) expect(error.message).toContain(`${file}: ${message}`);
  expect(String(error.cause)).toContain('ParseError');
});

it('reports an agent file that is a dead link', async () => {
  await symlink(join(dir, 'gone'), join(dir, 'a.agent.ts'));
  expect((await loadError()).problems).toEqual([
    { file: join(dir, 'a.agent.ts'), message: 'it is a link that leads nowhere, or may not be read' },
  ]);
});

it('refuses two agents of one id, and two that want the root address', async () => {
  const agent = (id: string) =>
    `${importSdk}export default defineAgent({ id: '${id}', default: true, ${card}, run() {} });`;
  const first = await write('1.agent.ts', agent('same'));
  const twin = await write('2.agent.ts', agent('same'));
  const other = await write('3.agent.ts', agent('other'));
  expect((await loadError()).problems).toEqual([
    { file: twin, message: `id "same" is taken by ${first}` },
    { file: other, message: `only one agent can have default: true, and ${first} has it already` },
  ]);
});

it('refuses a folder that is not there or has no agent in it', async () => {
  expect((await loadError()).problems).toEqual([
    { file: dir, message: 'there is no file named *.agent.ts or *.agent.js here' },
  ]);
  const missing = join(dir, 'missing');
  await expect(loadAgents([missing], defaults)).rejects.toThrow(`${missing}: there is no such folder`);
});

it('loads every example', async () => {
  const examples = fileURLToPath(new URL('../../../examples/agents', import.meta.url));
  const ids = (await loadAgents([examples], defaults)).map(({ id }) => id);
  expect(ids).toEqual(['csv-report', 'echo', 'flaky', 'release', 'trip-booking']);
});
