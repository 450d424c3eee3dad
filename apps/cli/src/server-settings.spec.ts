import { resolve } from 'node:path';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { configOf } from './server-settings.js';

afterEach(() => vi.unstubAllEnvs());

describe('configOf', () => {
  it('lets options win over variables, and leaves the others alone', () => {
    vi.stubEnv('PORT', '1111');
    vi.stubEnv('PERDURE_DRAIN', '7s');

    expect(configOf([], { port: '2222', logLevel: 'warn', concurrency: '5' })).toMatchObject({
      port: 2222,
      drainMs: 7_000,
      logLevel: 'warn',
      workerConcurrency: 5,
    });
  });

  it('takes the folders as they are named, commas included', () => {
    vi.stubEnv('PERDURE_AGENTS', 'elsewhere');

    expect(configOf(['a,b', '/c'], {}).agentDirs).toEqual([resolve('a,b'), '/c']);
    expect(configOf([], {}).agentDirs).toEqual([resolve('elsewhere')]);
  });

  it('names the variable behind a wrong option', () => {
    expect(() => configOf([], { dataDir: 'x', port: 'abc', publicUrl: 'nowhere' })).toThrow(
      /PORT=abc[^]*PUBLIC_URL=nowhere/,
    );
  });
});
