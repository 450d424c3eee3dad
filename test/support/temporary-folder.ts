import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll } from 'vitest';

/**
 * A new folder that is removed after the tests of the file. The user of an embedded Postgres can enter it too. Ask for it
 * before the servers that use it: what is set up last is taken down first.
 */
export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'perdure-e2e-'));
  chmodSync(folder, 0o755);
  afterAll(() => rmSync(folder, { recursive: true, force: true, maxRetries: 5 }));
  return folder;
}
