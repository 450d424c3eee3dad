import { writeFileSync } from 'node:fs';
import { type Reporter, type TestModule } from 'vitest/node';
import { PAGE_PATH, renderPage } from './page.js';

/** Writes docs/conformance.md from what has run: a test that did not pass, or did not run, is shown as failed. */
export default class PageReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[]): void {
    const passed = new Set(
      modules.flatMap((module) => [...module.children.allTests('passed')].map((test) => test.fullName)),
    );
    writeFileSync(
      PAGE_PATH,
      renderPage((test) => passed.has(test)),
    );
  }
}
