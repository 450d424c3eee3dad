import { closeSync, fdatasyncSync, openSync, readFileSync, rmSync, writeSync } from 'node:fs';
import { cpus, loadavg, release, totalmem, type } from 'node:os';
import { join } from 'node:path';
import { packageVersion } from '#platform';
import { median } from './statistics.mjs';

const SETTINGS = [
  ...['fsync', 'synchronous_commit', 'full_page_writes', 'wal_level', 'wal_sync_method', 'shared_buffers'],
  ...['max_wal_size', 'checkpoint_timeout', 'wal_compression', 'autovacuum', 'jit'],
];
const SYNCS = 300;

/** Machine, versions and Postgres settings of a run, as pairs of a name and a text. */
export async function surroundings(postgres) {
  const [{ version }] = await postgres.query('postgres', "select current_setting('server_version') as version");
  const settings = await postgres.query(
    'postgres',
    'select name, current_setting(name) as value from unnest($1::text[]) name',
    [SETTINGS],
  );
  const [cpu] = cpus();
  return [
    ['date', new Date().toISOString().slice(0, 16).replace('T', ' ') + ' UTC'],
    ['processor', `${cpu?.model.trim() ?? 'unknown'}, ${cpus().length} cores, shared by server, database and load`],
    ['memory', `${(totalmem() / 1_024 ** 3).toFixed(1)} GiB`],
    ['system', `${type()} ${release()}`],
    ['load average before', loadavg()[0].toFixed(2)],
    [
      'disk',
      `${filesystemOf(postgres.folder)}; write and fdatasync of 8 KiB: ${Math.round(syncMicroseconds(postgres.folder))} µs (median)`,
    ],
    ['perdure', packageVersion()],
    [
      'yardstick',
      `@a2a-js/sdk ${dependencyVersion('@a2a-js/sdk')}, express ${dependencyVersion('express')}, kysely ${dependencyVersion('kysely')}`,
    ],
    ['Node.js', `${process.versions.node}, NODE_ENV unset`],
    ['Postgres', `${version}, embedded, over TCP, the same for all`],
    ['its settings', settings.map(({ name, value }) => `${name} ${value}`).join(', ')],
  ];
}

function syncMicroseconds(folder) {
  const file = join(folder, 'fdatasync');
  const descriptor = openSync(file, 'w');
  const block = Buffer.alloc(8_192, 1);
  try {
    const times = Array.from({ length: SYNCS }, () => {
      const begun = performance.now();
      writeSync(descriptor, block, 0, block.length, 0);
      fdatasyncSync(descriptor);
      return performance.now() - begun;
    });
    return median(times) * 1_000;
  } finally {
    closeSync(descriptor);
    rmSync(file);
  }
}

/** The type of the file system that holds the folder; where fsync costs nothing, figures mean nothing. */
function filesystemOf(folder) {
  try {
    const mounts = readFileSync('/proc/self/mounts', 'utf8').trimEnd().split('\n');
    const places = mounts
      .map((line) => line.split(' '))
      .filter(([, place]) => place === '/' || `${folder}/`.startsWith(`${place}/`));
    const [, , kind] = places.reduce((longest, mount) => (mount[1].length >= longest[1].length ? mount : longest));
    return kind;
  } catch {
    return 'unknown file system';
  }
}

function dependencyVersion(name) {
  const file = new URL(`../node_modules/${name}/package.json`, import.meta.url);
  return JSON.parse(readFileSync(file, 'utf8')).version;
}
