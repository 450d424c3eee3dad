import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  chownSync,
  cpSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterAll, afterEach, beforeAll, describe, expect, inject, it, vi } from 'vitest';
import pg from 'pg';
import { createLogger, type EmbeddedPostgres, packageRoot, startEmbeddedPostgres } from '#platform';
import { accountForNewCluster, canEnter } from '../../libs/platform/src/postgres-account.js';
import { packagedBinaries, usableBinaries } from '../../libs/platform/src/postgres-binaries.js';

const NOBODY = { uid: 65534, gid: 65534 };
/** Above the largest process id of any Linux. */
const UNUSED_PID = 2 ** 22 + 1;
const isRoot = process.getuid?.() === 0;
const logger = createLogger({ logLevel: 'silent', logFormat: 'json' });
const cleanups: (() => unknown)[] = [];
/** Holds a cluster that was stopped properly, for tests that are not about the first start; initdb takes most of a second. */
const shared = mkdtempSync(join(tmpdir(), 'perdure-embedded-'));

beforeAll(async () => {
  chmodSync(shared, 0o755);
  const postgres = await startEmbeddedPostgres({ dataDir: shared, logger, settings: { fsync: 'off' } });
  await postgres.stop();
});

afterAll(() => rmSync(shared, { recursive: true, force: true }));

afterEach(async () => {
  for (const cleanUp of cleanups.splice(0).reverse()) await cleanUp();
});

describe('startEmbeddedPostgres', () => {
  it('keeps data, password and URL over a restart, and nothing of a first start that was killed', async () => {
    const dataDir = newFolder();
    const abandoned = join(dataDir, `postgres.new-${UNUSED_PID}`);
    mkdirSync(abandoned);
    const first = await start(dataDir);
    expect(existsSync(abandoned)).toBe(false);
    await keepWord(first.url);
    await first.stop();
    await expect(query(first.url, 'select 1')).rejects.toThrow('ECONNREFUSED');
    const second = await start(dataDir);
    expect(second.url).toBe(first.url);
    expect(await query(second.url, 'select word from kept')).toEqual([{ word: 'here' }]);
  });

  it('runs durably, in UTF-8, for this machine only and for holders of the password', async () => {
    const dataDir = newFolder();
    // The child's locale does not exist, and would make a SQL_ASCII cluster if it did.
    const { url } = await startChild(dataDir);
    expect(await setting(url, 'server_encoding')).toBe('UTF8');
    expect(await setting(url, 'lc_messages')).toBe('C');
    expect(await setting(url, 'listen_addresses')).toBe('127.0.0.1');
    expect(await setting(url, 'unix_socket_directories')).toBe('');
    await expect(query(Object.assign(new URL(url), { password: 'guess' }).href, 'select 1')).rejects.toThrow(
      'password',
    );
    expect(statSync(join(dataDir, 'postgres/password')).mode & 0o777).toBe(0o600);
    expect(statSync(join(dataDir, 'postgres')).mode & 0o777).toBe(0o700);
  });

  it('has fsync on unless it is told otherwise', async () => {
    const durable = await startEmbeddedPostgres({ dataDir: newFolder(), logger });
    cleanups.push(() => durable.stop());
    expect(await setting(durable.url, 'fsync')).toBe('on');
    expect(await setting(durable.url, 'max_wal_size')).toBe('1GB');
  });

  it('ends Postgres when its process is killed, and starts on the same data again', async () => {
    const { child, url } = await startChild(shared);
    await keepWord(url);
    const postmaster = postmasterPid(shared);
    child.kill('SIGKILL');
    await vi.waitFor(() => expect(isRunning(postmaster)).toBe(false), 10_000);
    const next = await start(shared);
    expect(await query(next.url, 'select word from kept')).toEqual([{ word: 'here' }]);
  });

  it('takes the data over at once from a process that was just killed', async () => {
    const { child, url } = await startChild(shared);
    child.kill('SIGKILL');
    await once(child, 'exit');
    expect((await start(shared)).url).toBe(url);
  });

  it('refuses data that another process serves, names it and does not disturb it', async () => {
    const { child, url } = await startChild(shared);
    const before = postmasterPid(shared);
    await expect(start(shared)).rejects.toThrow(`is in use by process ${child.pid}`);
    await query(url, 'select 1');
    expect(postmasterPid(shared)).toBe(before);
  });

  it('stops a postmaster that nobody holds any more', async () => {
    const first = await start(shared);
    await first.stop();
    const orphan = startOrphan(shared, new URL(first.url).port);
    await vi.waitFor(() => query(first.url, 'select 1'), 10_000);
    const second = await start(shared);
    expect(isRunning(orphan)).toBe(false);
    await query(second.url, 'select 1');
  });

  it('starts although the pid file of a dead postmaster names a process that is something else now', async () => {
    await (await start(shared)).stop();
    const other = spawn('/bin/cat', { ...accountForNewCluster(), cwd: '/', stdio: ['pipe', 'ignore', 'ignore'] });
    cleanups.push(() => other.kill());
    const data = realpathSync(join(shared, 'postgres/data'));
    writeFileSync(join(data, 'postmaster.pid'), `${other.pid}\n${data}\n0\n5432\n\n127.0.0.1\n0 0\nready\n`);
    await query((await start(shared)).url, 'select 1');
    expect(other.exitCode).toBeNull();
  });

  it('takes another port where its own is taken, and keeps that one', async () => {
    const first = await start(shared);
    await first.stop();
    const squatter = createServer().listen(Number(new URL(first.url).port), '127.0.0.1');
    await once(squatter, 'listening');
    cleanups.push(() => squatter.close());
    const second = await start(shared);
    expect(second.url).not.toBe(first.url);
    await second.stop();
    expect((await start(shared)).url).toBe(second.url);
  });

  it('starts Postgres again, at the same URL, when it dies alone', async () => {
    const { url } = await start(shared);
    await keepWord(url);
    process.kill(postmasterPid(shared), 'SIGKILL');
    const rows = await vi.waitFor(() => query(url, 'select word from kept'), { timeout: 20_000, interval: 100 });
    expect(rows).toEqual([{ word: 'here' }]);
  });

  it('stops at the end of its process, open connections or not', async () => {
    const { child, url } = await startChild(shared);
    const client = new pg.Client(url);
    client.on('error', () => undefined);
    await client.connect();
    child.stdin!.end();
    await once(child, 'exit');
    expect(child.exitCode).toBe(0);
    expect(existsSync(join(shared, 'postgres/data/postmaster.pid'))).toBe(false);
  });

  it('stays up when Ctrl-C reaches the whole process group', async () => {
    const { child, url } = await startChild(shared, { detached: true });
    const stopped = once(child, 'exit');
    // The process itself ignores it, as a server does that drains.
    process.kill(-child.pid!, 'SIGINT');
    await query(url, 'select 1');
    child.stdin!.end();
    await stopped;
    expect(child.exitCode).toBe(0);
  });
});

describe.runIf(isRoot)('startEmbeddedPostgres as root', () => {
  it('runs under an account that is not root', async () => {
    await start(shared);
    expect(statSync(`/proc/${postmasterPid(shared)}`).uid).toBe(accountForNewCluster()!.uid);
  });

  it('keeps the data elsewhere where that account cannot reach them, with a link', async () => {
    const dataDir = join(newFolder({ mode: 0o700 }), '.perdure');
    const first = await start(dataDir);
    const place = realpathSync(join(dataDir, 'postgres'));
    cleanups.push(() => rmSync(place, { recursive: true }));
    expect(lstatSync(join(dataDir, 'postgres')).isSymbolicLink()).toBe(true);
    expect(place).toMatch(/^\/var\/lib\/perdure\//);
    expect(statSync(dirname(dataDir)).mode & 0o777).toBe(0o700);
    await keepWord(first.url);
    await first.stop();
    expect(await query((await start(dataDir)).url, 'select word from kept')).toEqual([{ word: 'here' }]);
  });

  it('copies binaries that the account cannot reach, and completes their links', () => {
    const hidden = newFolder({ mode: 0o700 });
    cpSync(packagedBinaries(), join(hidden, 'native'), {
      recursive: true,
      // As npm leaves them without install scripts.
      filter: (source) => !lstatSync(source).isSymbolicLink(),
    });
    const reachable = newFolder();
    const binaries = usableBinaries(join(hidden, 'native'), reachable, accountForNewCluster());
    expect(binaries.postgres).toBe(join(reachable, 'native/bin/postgres'));
  });

  it('says why where binaries cannot run at all', () => {
    const broken = join(newFolder(), 'native');
    mkdirSync(join(broken, 'bin'), { recursive: true });
    writeFileSync(join(broken, 'pg-symlinks.json'), '[]');
    writeFileSync(join(broken, 'bin/postgres'), '#!/bin/sh\necho wrong libc >&2; exit 1\n', { mode: 0o755 });
    expect(() => usableBinaries(broken, newFolder())).toThrow('does not run here: wrong libc');
  });
});

describe.runIf(isRoot && canEnter(packageRoot(), NOBODY))('startEmbeddedPostgres as a user without rights', () => {
  it('runs as that user', async () => {
    const dataDir = newFolder({ owner: NOBODY });
    const { url } = await startChild(dataDir, { uid: NOBODY.uid });
    await query(url, 'select 1');
    expect(statSync(`/proc/${postmasterPid(dataDir)}`).uid).toBe(NOBODY.uid);
  });

  it('serves the data of another user as that user', async () => {
    const dataDir = newFolder({ owner: NOBODY });
    const { child } = await startChild(dataDir, { uid: NOBODY.uid });
    child.stdin!.end();
    await once(child, 'exit');
    await start(dataDir);
    expect(statSync(`/proc/${postmasterPid(dataDir)}`).uid).toBe(NOBODY.uid);
  });

  it('says whose data it is where they belong to somebody else', async () => {
    await (await start(shared)).stop();
    const child = spawnChild(shared, { uid: NOBODY.uid });
    const errors: string[] = [];
    child.stderr!.on('data', (text: Buffer) => errors.push(text.toString()));
    await once(child, 'close');
    expect(errors.join('')).toContain(`belongs to user ${accountForNewCluster()!.uid}`);
  });
});

function newFolder({ mode = 0o755, owner }: { mode?: number; owner?: typeof NOBODY } = {}): string {
  const folder = mkdtempSync(join(tmpdir(), 'perdure-embedded-'));
  chmodSync(folder, mode);
  if (owner) chownSync(folder, owner.uid, owner.gid);
  cleanups.push(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

async function start(dataDir: string): Promise<EmbeddedPostgres> {
  const postgres = await startEmbeddedPostgres({ dataDir, logger, settings: { fsync: 'off' } });
  cleanups.push(() => postgres.stop());
  return postgres;
}

interface ChildOptions {
  readonly uid?: number;
  readonly detached?: boolean;
}

async function startChild(dataDir: string, options: ChildOptions = {}): Promise<{ child: ChildProcess; url: string }> {
  const child = spawnChild(dataDir, options);
  const errors: string[] = [];
  child.stderr!.on('data', (text: Buffer) => errors.push(text.toString()));
  for await (const url of createInterface({ input: child.stdout! })) return { child, url };
  throw new Error(`the process ended: ${errors.join('')}`);
}

function spawnChild(dataDir: string, { uid, detached }: ChildOptions): ChildProcess {
  const args = [join(inject('bundledPrograms'), 'postgres.js'), dataDir, ...(uid ? [String(uid)] : [])];
  const child = spawn(process.execPath, args, {
    cwd: packageRoot(),
    env: { PATH: process.env.PATH, LC_ALL: 'xx_XX.KOI8-R', LANG: 'C' },
    stdio: ['pipe', 'pipe', 'pipe'],
    detached,
  });
  cleanups.push(async () => {
    if (child.exitCode === null && child.signalCode === null) {
      const ended = once(child, 'exit');
      child.stdin.end();
      await ended;
    }
  });
  return child;
}

/** A postmaster as it is left behind when everything above it is gone. */
function startOrphan(dataDir: string, port: string): number {
  const data = realpathSync(join(dataDir, 'postgres/data'));
  const account = accountForNewCluster();
  const { postgres } = usableBinaries(packagedBinaries(), dirname(data), account);
  const args = ['-D', data, '-p', port, '-c', 'unix_socket_directories=', '-c', 'fsync=off'];
  const orphan = spawn(postgres, args, { ...account, cwd: '/', env: { LC_ALL: 'C' }, stdio: 'ignore' });
  cleanups.push(() => orphan.kill('SIGQUIT'));
  return orphan.pid!;
}

function postmasterPid(dataDir: string): number {
  return Number(readFileSync(join(dataDir, 'postgres/data/postmaster.pid'), 'utf8').split('\n')[0]);
}

/** Whether the process is there and more than a zombie that nobody has collected. */
function isRunning(pid: number): boolean {
  try {
    return !/^\d+ \(.*\) Z/.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch {
    return false;
  }
}

async function query(url: string, statement: string): Promise<unknown[]> {
  const client = new pg.Client(url);
  client.on('error', () => undefined);
  await client.connect();
  try {
    return (await client.query<Record<string, unknown>>(statement)).rows;
  } finally {
    await client.end();
  }
}

async function keepWord(url: string): Promise<void> {
  await query(url, 'drop table if exists kept');
  await query(url, `create table kept as select 'here' as word`);
}

async function setting(url: string, name: string): Promise<unknown> {
  const [row] = (await query(url, `select current_setting('${name}') as value`)) as { value: string }[];
  return row?.value;
}
