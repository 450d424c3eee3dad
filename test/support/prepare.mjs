import { spawnSync } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';

/*
 * Brings programs onto a bare machine that tests run against: a Redis, and the proxies of the deploy files. It installs Debian's
 * packages where that can be done without asking: as root, with apt-get, and where nothing else gives a Redis. Otherwise it
 * leaves the machine as it is, and the tests say what they skip.
 */
/** Each is the package of the same name. */
const PROGRAMS = ['redis-server', 'haproxy', 'pgbouncer'];
const TIMEOUT_MS = 90_000;

const missing = PROGRAMS.filter((program) => !isOnPath(program));
if (missing.length > 0 && mayInstall()) install(missing);

function mayInstall() {
  const isRoot = process.getuid?.() === 0;
  const hasOwn = Boolean(process.env.REDIS_URL) || runs('docker', ['info']);
  return isRoot && isOnPath('apt-get') && !hasOwn;
}

function install(packages) {
  process.stdout.write(`Installing for the tests: ${packages.join(', ')}\n`);
  const options = ['-qq', '-o', 'DPkg::Lock::Timeout=30'];
  const isThere =
    runs('apt-get', [...options, 'install', '-y', '--no-install-recommends', ...packages]) ||
    (runs('apt-get', [...options, 'update']) &&
      runs('apt-get', [...options, 'install', '-y', '--no-install-recommends', ...packages]));
  if (!isThere) process.stdout.write('That could not be done: what needs them is skipped.\n');
}

function runs(command, args) {
  // In run level 1 no service is started by its installation.
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive', RUNLEVEL: '1' };
  return spawnSync(command, args, { env, stdio: 'ignore', timeout: TIMEOUT_MS }).status === 0;
}

function isOnPath(program) {
  const folders = [...(process.env.PATH ?? '').split(delimiter), '/usr/sbin'];
  return folders.some((folder) => {
    try {
      accessSync(join(folder, program), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}
