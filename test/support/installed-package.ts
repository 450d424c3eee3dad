import { execFile } from 'node:child_process';
import { mkdir, readFile, rename, symlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { packageRoot } from '#platform';

const run = promisify(execFile);
const NO_REGISTRY = /ENOTCACHED|ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ETIMEDOUT|EHOSTUNREACH|ENETUNREACH/;

/**
 * Packs this package and installs it into the empty project `folder`, as `npm install perdure` does. Where no registry is in
 * reach, the packages that npm would install with it (this one's production dependencies, and no others) are linked instead.
 */
export async function installPackage(folder: string): Promise<void> {
  await writeFile(join(folder, 'package.json'), JSON.stringify({ name: 'mine', private: true, type: 'module' }));
  // --ignore-scripts: `npm test` has built already, and another build would pull dist from under the other tests.
  const pack = ['pack', '--ignore-scripts', '--json', '--pack-destination', folder];
  const packed = await run('npm', pack, { cwd: packageRoot() });
  const [{ filename }] = JSON.parse(packed.stdout) as [{ filename: string }];
  const tarball = join(folder, filename);
  // Without retries, so that a machine without a registry learns it at once.
  const patience = ['--fetch-retries=0', '--fetch-timeout=20000'];
  const install = ['install', '--prefer-offline', '--no-audit', '--no-fund', ...patience, tarball];
  try {
    await run('npm', install, { cwd: folder });
  } catch (error) {
    if (!NO_REGISTRY.test(String((error as { stderr?: string }).stderr))) throw error;
    await linkPackages(folder, tarball);
  }
}

async function linkPackages(folder: string, tarball: string): Promise<void> {
  const modules = join(folder, 'node_modules');
  await mkdir(join(modules, '.bin'), { recursive: true });
  await run('tar', ['-xzf', tarball, '-C', modules]);
  await rename(join(modules, 'package'), join(modules, 'perdure'));
  const bin = join(modules, 'perdure/dist/apps/cli/src/main.js');
  await run('chmod', ['+x', bin]);
  await symlink(bin, join(modules, '.bin/perdure'));
  for (const name of await productionPackages()) {
    await mkdir(dirname(join(modules, name)), { recursive: true });
    await symlink(join(packageRoot(), 'node_modules', name), join(modules, name));
  }
}

/** The names of all packages at the top of node_modules that a production install has on this machine. */
async function productionPackages(): Promise<string[]> {
  const lock = JSON.parse(await readFile(join(packageRoot(), 'package-lock.json'), 'utf8')) as {
    packages: Record<string, { dev?: boolean; optional?: boolean }>;
  };
  const top = Object.entries(lock.packages).filter(([, { dev, optional }]) => !dev && !optional);
  return top.flatMap(([path]) => /^node_modules\/((?:@[^/]+\/)?[^/]+)$/.exec(path)?.[1] ?? []);
}
