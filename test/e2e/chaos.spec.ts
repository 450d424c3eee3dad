import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { packageRoot } from '#platform';
import { inEachMode, type Mode } from '../support/modes.js';
import { BUNDLED_PERDURE } from '../support/perdure-process.js';

/** A few seconds of it, with the kinds of faults that are over soon. */
const ARGS = ['--minutes', '0.12', '--clients', '10', '--every', '1.8s', '--seed', '152'];
const FAULTS: Record<Mode, string> = {
  postgres: 'kill,postgres-immediate,terminate,lost-answers,receiver-down',
  redis: 'kill,redis-flush,redis-kill,lost-answers,receiver-down',
};

/** What `npm run chaos` does after its build. */
async function chaos(mode: Mode): Promise<{ code: unknown; output: string }> {
  const jiti = join(packageRoot(), 'node_modules/jiti/lib/jiti-cli.mjs');
  const args = [jiti, join(packageRoot(), 'test/chaos/main.ts'), ...ARGS, '--mode', mode, '--faults', FAULTS[mode]];
  const env = { ...process.env, REDIS_URL: undefined, NODE_ENV: undefined, CHAOS_PROGRAM: BUNDLED_PERDURE };
  const child = spawn(process.execPath, args, { env });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (text: Buffer) => (output += text.toString()));
  const [code] = (await once(child, 'close')) as [number];
  return { code, output };
}

inEachMode((mode) => {
  it('keeps every promise while processes, lines and databases fail at random', { timeout: 180_000 }, async () => {
    const { code, output } = await chaos(mode);
    expect(output).toContain('every promise was kept');
    expect(code).toBe(0);
    expect(Number(/^tasks accepted +(\d+)$/m.exec(output)?.[1])).toBeGreaterThan(0);
    expect(Number(/^requests to them, events acknowledged, .* \d+, (\d+), \d+$/m.exec(output)?.[1])).toBeGreaterThan(0);
  });
});
