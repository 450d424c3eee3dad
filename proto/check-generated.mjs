// Whether libs/protocol/src/gen is what the .proto files generate: generates once more into a temporary folder and compares
// byte by byte. Prints the files that differ, are missing or are left over, and exits with 1 when there are any.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const generated = 'libs/protocol/src/gen';

const scratch = mkdtempSync(join(tmpdir(), 'perdure-generate-'));
try {
  generateInto(scratch);
  const stale = differingFiles(join(root, generated), join(scratch, generated));
  for (const name of stale) console.error(`${generated}/${name} is not what the .proto files generate`);
  if (stale.length > 0) {
    console.error('Run "npm run generate".');
    process.exitCode = 1;
  }
} finally {
  rmSync(scratch, { recursive: true, force: true });
}

function generateInto(folder) {
  const tools = join(root, 'node_modules', '.bin');
  const env = { ...process.env, PATH: `${tools}${delimiter}${process.env.PATH ?? ''}` };
  execFileSync(join(tools, 'buf'), ['generate', '--output', folder], { cwd: root, env, stdio: 'inherit' });
}

function differingFiles(present, expected) {
  const presentFiles = readFiles(present);
  const expectedFiles = readFiles(expected);
  const names = new Set([...presentFiles.keys(), ...expectedFiles.keys()]);
  return [...names].filter((name) => presentFiles.get(name) !== expectedFiles.get(name)).sort();
}

/** Content by path below `folder`; latin1 keeps every byte apart. */
function readFiles(folder) {
  const entries = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  const paths = entries.map((entry) => join(entry.parentPath ?? entry.path, entry.name));
  return new Map(paths.map((path) => [path.slice(folder.length + 1), readFileSync(path, 'latin1')]));
}
