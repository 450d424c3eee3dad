import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** Absolute folder of Perdure's own package.json, the same whether the source or the built code runs. */
export function packageRoot(): string {
  return (root ??= findRoot(dirname(fileURLToPath(import.meta.url))));
}

/** Version of the running package, as in its package.json. */
export function packageVersion(): string {
  return (version ??= readVersion(join(packageRoot(), 'package.json')));
}

let root: string | undefined;
let version: string | undefined;

function findRoot(folder: string): string {
  if (existsSync(join(folder, 'package.json'))) return folder;
  const parent = dirname(folder);
  if (parent === folder) throw new Error('no package.json above the running code');
  return findRoot(parent);
}

function readVersion(file: string): string {
  const manifest = JSON.parse(readFileSync(file, 'utf8')) as { version: string };
  return manifest.version;
}
