import { spawnSync } from 'node:child_process';
import { readFileSync, statSync } from 'node:fs';

/** The user and group that Postgres' processes run as. */
export interface PostgresAccount {
  readonly uid: number;
  readonly gid: number;
}

const ROOT = 0;

/**
 * The account for a new cluster, undefined where it is the one of this process. Postgres refuses to run as root, so
 * root hands over to `postgres`, or where the machine has no such account to `nobody`. Creates no account.
 */
export function accountForNewCluster(): PostgresAccount | undefined {
  if (process.getuid?.() !== ROOT) return undefined;
  const account = accountNamed('postgres') ?? accountNamed('nobody');
  if (!account) throw new Error('Postgres does not run as root, and there is neither a postgres nor a nobody account');
  return account;
}

/**
 * The account an existing cluster has to run as: its owner, undefined where that is this process. Throws where this
 * process may not become the owner.
 */
export function accountOfCluster(folder: string): PostgresAccount | undefined {
  const own = process.getuid?.();
  const { uid, gid } = statSync(folder);
  if (uid === ROOT)
    throw new Error(`${folder} belongs to root, as whom Postgres does not run: give it to another user`);
  if (own === undefined || own === uid) return undefined;
  if (own !== ROOT) throw new Error(`${folder} belongs to user ${uid}, and this process runs as user ${own}`);
  return { uid, gid };
}

/** Whether the account may enter the folder, with all its parents. */
export function canEnter(folder: string, account: PostgresAccount | undefined): boolean {
  const probe = spawnSync('/bin/sh', ['-c', 'cd -- "$1"', 'sh', folder], { ...account, cwd: '/', stdio: 'ignore' });
  return probe.status === 0;
}

function accountNamed(name: string): PostgresAccount | undefined {
  const lines = readFileSync('/etc/passwd', 'utf8').split('\n');
  const [, , uid, gid] = lines.find((line) => line.startsWith(`${name}:`))?.split(':') ?? [];
  return uid && gid ? { uid: Number(uid), gid: Number(gid) } : undefined;
}
