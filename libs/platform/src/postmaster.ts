import { existsSync, readFileSync, rmSync } from 'node:fs';
import { spawnSync } from 'node:child_process';
import { basename, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { type Logger } from './logger.js';

/** First argument of the shell that holds a postmaster, by which the next start knows it; the second is our pid. */
export const SUPERVISOR_NAME = 'perdure-postgres';

const STOP_POLL_MS = 20;

/** Another living process serves the data folder. */
export class ClusterInUseError extends Error {
  override readonly name = 'ClusterInUseError';

  constructor(
    readonly folder: string,
    readonly pid: number,
  ) {
    super(`${folder} is in use by process ${pid}: stop it, or give this one its own PERDURE_DATA_DIR`);
  }
}

/**
 * Makes sure that no postmaster runs on the data folder and no `postmaster.pid` of a dead one stops the next: one whose
 * supervisor died is stopped, one that somebody uses is left alone with a {@link ClusterInUseError}.
 */
export async function claimDataFolder(data: string, logger: Logger): Promise<void> {
  const pidFile = join(data, 'postmaster.pid');
  const pid = readPid(pidFile);
  if (pid === undefined) return;
  const running = postmasterProcess(pid, data);
  if (running) {
    const supervisor = livingSupervisor(running);
    if (supervisor !== undefined) throw new ClusterInUseError(data, supervisor);
    logger.warn({ pid }, 'postgres.orphan_stopped');
    await stopPostmaster(pid, data);
  } else if (processOf(pid)) {
    // The number now belongs to a zombie or to another program. Postgres would only see that it is taken.
    rmSync(pidFile, { force: true });
  }
}

interface Process {
  readonly pid: number;
  readonly parent: number;
  readonly isZombie: boolean;
  readonly command: readonly string[];
}

function readPid(pidFile: string): number | undefined {
  if (!existsSync(pidFile)) return undefined;
  return Number(readFileSync(pidFile, 'utf8').split('\n')[0]) || undefined;
}

function postmasterProcess(pid: number, data: string): Process | undefined {
  const found = processOf(pid);
  if (!found || found.isZombie) return undefined;
  const isOurs = basename(found.command[0] ?? '') === 'postgres' && found.command.includes(data);
  return isOurs ? found : undefined;
}

/** The Perdure process that holds this postmaster's shell, if it is still the shell's parent. */
function livingSupervisor(postmaster: Process): number | undefined {
  const shell = processOf(postmaster.parent);
  const marker = shell?.command.indexOf(SUPERVISOR_NAME) ?? -1;
  const supervisor = Number(shell?.command[marker + 1]);
  return marker >= 0 && shell?.parent === supervisor ? supervisor : undefined;
}

async function stopPostmaster(pid: number, data: string): Promise<void> {
  signal(pid, 'SIGINT');
  while (postmasterProcess(pid, data)) await delay(STOP_POLL_MS);
}

function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ESRCH')) throw error;
  }
}

function processOf(pid: number): Process | undefined {
  return existsSync('/proc/self/stat') ? linuxProcess(pid) : psProcess(pid);
}

function linuxProcess(pid: number): Process | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The second field, the program's name in brackets, may itself hold spaces and brackets.
    const [state, parent] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    const command = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0');
    return { pid, parent: Number(parent), isZombie: state === 'Z', command };
  } catch {
    return undefined;
  }
}

/** For systems without /proc. Arguments come joined by spaces there, so a folder with a space is not recognised. */
function psProcess(pid: number): Process | undefined {
  const { status, stdout } = spawnSync('ps', ['-o', 'ppid=,stat=,args=', '-p', String(pid)], { encoding: 'utf8' });
  const [parent, state, ...command] = stdout.trim().split(/\s+/);
  return status === 0 ? { pid, parent: Number(parent), isZombie: state?.startsWith('Z') ?? false, command } : undefined;
}
