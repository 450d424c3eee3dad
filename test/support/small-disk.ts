import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmdirSync, rmSync, statSync, statfsSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { inject } from 'vitest';
import { createDatabase, dropDatabase, postgresUrl } from './postgres.js';

/** A database whose disk a test can fill. */
export interface SmallDisk {
  readonly url: string;
  /** Takes all room: what needs more of it fails with 53100. */
  fill(): Promise<void>;
  /** Gives the room back. */
  clear(): Promise<void>;
  remove(): Promise<void>;
}

const SIZE_MB = 48;
/** A page or two: less than anything that a task writes. */
const LEFT_OVER_BYTES = 16 * 1024;

/**
 * A tablespace on a small file system in memory, where this process may mount one for a Postgres on this machine. Elsewhere a
 * trigger in a database of its own answers for the disk, with Postgres' own error.
 */
export async function smallDisk(): Promise<SmallDisk> {
  return (await mountedDisk()) ?? (await triggeredDisk());
}

async function mountedDisk(): Promise<SmallDisk | undefined> {
  const folder = mkdtempSync(join(tmpdir(), 'perdure-disk-'));
  try {
    const { uid, gid } = statSync(await onServer('show data_directory'));
    const options = `size=${SIZE_MB}m,uid=${uid},gid=${gid},mode=700`;
    execFileSync('mount', ['-t', 'tmpfs', '-o', options, 'tmpfs', folder], { stdio: 'ignore' });
  } catch {
    rmdirSync(folder);
    return undefined;
  }
  const name = `small_${process.pid}`;
  const filler = join(folder, 'filler');
  await onServer(`create tablespace ${name} location '${folder}'`);
  await onServer(
    `create database ${name} template ${inject('templateDatabase')} strategy file_copy tablespace ${name}`,
  );
  return {
    url: Object.assign(new URL(postgresUrl()), { pathname: `/${name}` }).href,
    async fill() {
      const { bavail, bsize } = statfsSync(folder);
      writeFileSync(filler, Buffer.alloc(bavail * bsize - LEFT_OVER_BYTES));
    },
    clear: async () => rmSync(filler),
    async remove() {
      await onServer(`drop database ${name} with (force)`);
      await onServer(`drop tablespace ${name}`);
      execFileSync('umount', [folder]);
      rmdirSync(folder);
    },
  };
}

async function triggeredDisk(): Promise<SmallDisk> {
  const url = await createDatabase();
  const run = async (text: string) => {
    const client = new pg.Client(url);
    await client.connect();
    await client.query(text);
    await client.end();
  };
  await run(`create function perdure.no_room() returns trigger language plpgsql as
    $$ begin raise exception 'could not extend file: No space left on device' using errcode = '53100'; end $$`);
  const insert =
    'create trigger no_room before insert on perdure.task_events for each row execute function perdure.no_room()';
  return {
    url,
    fill: () => run(insert),
    clear: () => run('drop trigger no_room on perdure.task_events'),
    remove: () => dropDatabase(url),
  };
}

/** Runs a statement on the run's Postgres; answers with the only value, where there is one. */
async function onServer(text: string): Promise<string> {
  const client = new pg.Client(postgresUrl());
  await client.connect();
  try {
    const { rows } = await client.query<string[]>({ text, rowMode: 'array' });
    return rows[0]?.[0] ?? '';
  } finally {
    await client.end();
  }
}
