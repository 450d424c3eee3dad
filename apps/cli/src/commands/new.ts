import { mkdir, writeFile } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { Command } from 'commander';
import { agentReadme, agentSource } from '../agent-template.js';
import { CliError } from '../cli-error.js';
import { shellWord } from '../shell-word.js';
import { type Terminal } from '../terminal.js';

const NAME = /^[A-Za-z0-9_-]{1,64}$/;

/** `perdure new agent`: writes the file of an agent to start from. */
export function newCommand(terminal: Terminal): Command {
  const agent = new Command('agent')
    .description('Writes NAME.agent.ts, an agent that runs as it is, and a README.md where there is none.')
    .argument('<name>', 'its name in URLs: 1 to 64 letters, digits, _ or -')
    .option('--dir <dir>', 'the folder to write to, made if it is not there', 'agents')
    .action(async (name: string, { dir }: { dir: string }) => {
      if (!NAME.test(name)) throw new CliError(`"${name}" is no agent name: use 1 to 64 letters, digits, _ or -.`);
      const folder = shellWord(relative('', dir) || '.');
      await mkdir(dir, { recursive: true });
      const file = join(dir, `${name}.agent.ts`);
      if (!(await create(file, agentSource(name)))) throw new CliError(`${file} is there already; it stays as it is.`);
      const readme = join(dir, 'README.md');
      const isReadmeNew = await create(readme, agentReadme(name, folder));
      terminal.line(`Wrote ${file}${isReadmeNew ? ` and ${readme}` : ''}. Try it with: npx perdure dev ${folder}`);
    });
  return new Command('new')
    .summary('write the file of an agent to start from')
    .description('Writes files to start from.')
    .addCommand(agent);
}

/** Writes a file that is not there yet; false where it is. */
async function create(path: string, text: string): Promise<boolean> {
  try {
    await writeFile(path, text, { flag: 'wx' });
    return true;
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EEXIST') return false;
    throw error;
  }
}
