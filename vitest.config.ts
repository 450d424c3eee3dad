import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';
import { LongestFirst } from './test/support/longest-first.js';

export default defineConfig({
  resolve: {
    conditions: ['perdure-source'],
    alias: { perdure: fileURLToPath(new URL('./libs/agents/src/sdk.ts', import.meta.url)) },
  },
  ssr: { resolve: { conditions: ['perdure-source'] } },
  // Global setup runs in an environment of Vitest's own.
  environments: { __vitest__: { resolve: { conditions: ['perdure-source'] } } },
  oxc: { decorator: { legacy: true, emitDecoratorMetadata: true } },
  test: {
    testTimeout: 60_000,
    hookTimeout: 120_000,
    // Four on two cores: most files wait for a server, a lease or Postgres half of their time.
    maxWorkers: 4,
    pool: 'forks',
    // The modules hold no state of their own, so that a worker loads them once and not for each file.
    isolate: false,
    sequence: { sequencer: LongestFirst },
    // Pure code beside its source needs no Postgres, so a run of that alone does not start one.
    projects: [
      {
        extends: true,
        test: { name: 'unit', include: ['{apps,libs,examples}/**/*.spec.ts', 'test/{model,chaos}/**/*.spec.ts'] },
      },
      {
        extends: true,
        test: {
          name: 'postgres',
          include: ['test/!(model|chaos)/**/*.spec.ts'],
          globalSetup: ['test/support/global-setup.ts'],
        },
      },
    ],
  },
});
