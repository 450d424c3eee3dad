import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { accountForNewCluster, accountOfCluster, canEnter, type PostgresAccount } from './postgres-account.js';
import { packagedBinaries, POSTGRES_SPAWN, usableBinaries } from './postgres-binaries.js';

const execute = promisify(execFile);

/** Where clusters of root live whose own place Postgres' account cannot reach. */
const SHARED_STATE = '/var/lib/perdure';
const LOCALE = ['--encoding=UTF8', '--locale-provider=builtin', '--builtin-locale=C.UTF-8', '--locale=C'];

/** One Postgres cluster on disk: its folder holds `data`, `password`, `port` and where needed a copy of the binaries. */
export interface PostgresCluster {
  /** Absolute, without symbolic links: the same cluster always has the same name. */
  readonly folder: string;
  /** Who owns it and runs it, undefined for the account of this process. */
  readonly account: PostgresAccount | undefined;
  readonly password: string;
}

/**
 * The cluster in `<dataDir>/postgres`, made by `initdb` at the first call. It appears there complete or not at all.
 * `durable: false` leaves out the fsync of its files. Throws where the place or the binaries cannot be used.
 */
export async function openCluster(dataDir: string, { durable }: { durable: boolean }): Promise<PostgresCluster> {
  const place = join(dataDir, 'postgres');
  if (!existsSync(place)) await createCluster(place, durable);
  const folder = realpathSync(place);
  const account = accountOfCluster(folder);
  return { folder, account, password: readFileSync(join(folder, 'password'), 'utf8') };
}

/** The port the cluster was last started on, undefined before the first start. */
export function storedPort({ folder }: PostgresCluster): number | undefined {
  const file = join(folder, 'port');
  return existsSync(file) ? Number(readFileSync(file, 'utf8')) || undefined : undefined;
}

/** Keeps the port for the next start, so that the cluster's URL stays the same. */
export function storePort({ folder }: PostgresCluster, port: number): void {
  writeFileSync(join(folder, 'port'), `${port}\n`);
}

async function createCluster(place: string, durable: boolean): Promise<void> {
  const account = accountForNewCluster();
  mkdirSync(dirname(place), { recursive: true });
  const folder = canEnter(dirname(place), account) ? place : sharedPlace();
  const unfinished = `${folder}.new-${process.pid}`;
  removeAbandoned(folder);
  try {
    await fillCluster(unfinished, account, durable);
    renameSync(unfinished, folder);
    if (folder !== place) symlinkSync(folder, place);
  } catch (error) {
    rmSync(unfinished, { recursive: true, force: true });
    // Two first starts at once: the other one's cluster is as good as ours.
    if (!existsSync(place)) throw error;
  }
}

/**
 * A new folder outside of everybody's home. Not in the temporary folder, which is emptied at times, and not by opening
 * the parents of the data folder to others, which are not ours.
 */
function sharedPlace(): string {
  mkdirSync(SHARED_STATE, { recursive: true });
  chmodSync(SHARED_STATE, 0o755);
  return join(SHARED_STATE, `postgres-${randomBytes(6).toString('hex')}`);
}

/** Clusters beside this one whose `initdb` never ended because the process, the number in their name, was killed. */
function removeAbandoned(folder: string): void {
  for (const entry of readdirSync(dirname(folder))) {
    const pid = Number(/^postgres.*\.new-(\d+)$/.exec(entry)?.[1]);
    const isAbandoned = pid === process.pid || (pid > 0 && !isAlive(pid));
    if (isAbandoned) rmSync(join(dirname(folder), entry), { recursive: true, force: true });
  }
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

async function fillCluster(folder: string, account: PostgresAccount | undefined, durable: boolean): Promise<void> {
  const passwordFile = join(folder, 'password');
  mkdirSync(folder, { mode: 0o700 });
  writeFileSync(passwordFile, randomBytes(24).toString('base64url'), { mode: 0o600 });
  for (const path of account ? [folder, passwordFile] : []) chownSync(path, account!.uid, account!.gid);
  const { initdb } = usableBinaries(packagedBinaries(), folder, account);
  const place = ['-D', join(folder, 'data'), '-U', 'postgres', '--auth=scram-sha-256', `--pwfile=${passwordFile}`];
  const args = [...place, ...LOCALE, '--no-instructions', ...(durable ? [] : ['--no-sync'])];
  try {
    await execute(initdb, args, { ...POSTGRES_SPAWN, ...account });
  } catch (error) {
    const words = error instanceof Error && 'stderr' in error ? String(error.stderr).trim() : String(error);
    throw new Error(`cannot create a Postgres cluster, set DATABASE_URL to use another one: ${words}`, {
      cause: error,
    });
  }
}
