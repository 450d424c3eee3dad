import { randomInt } from 'node:crypto';
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Agent, setGlobalDispatcher } from 'undici';
import { figuresOf } from './chaos-figures.js';
import { chaosOptions, type ChaosOptions, USAGE, UsageError } from './chaos-options.js';
import { writeResults } from './chaos-results.js';
import { type ChaosResult, runChaos } from './chaos-run.js';
import { violationsOf } from './checks/checks.js';
import { type Violation } from './checks/history.js';
import { type Fault, faultSchedule, faultText } from './fault-schedule.js';

const SHOWN = 20;
/** A server that stands still takes connections and answers nothing. */
const PATIENCE_MS = 15_000;

function line(text: string): void {
  process.stdout.write(`${text}\n`);
}

async function main(): Promise<number> {
  const options = chaosOptions(process.argv.slice(2), randomInt(1_000_000));
  if (process.env.REDIS_URL && options.mode === 'redis')
    throw new UsageError(
      'REDIS_URL is set: the suite kills and empties its Redis, so it starts one of its own; unset it',
    );
  setGlobalDispatcher(new Agent({ headersTimeout: PATIENCE_MS, connect: { timeout: 2_000 } }));
  const until = options.tasks === undefined ? `${options.durationMs / 1_000} s` : `${options.tasks} tasks`;
  line(`seed ${options.seed}, mode ${options.mode}, ${until}`);
  if (options.tasks === undefined) for (const fault of faultSchedule(options)) line(`  ${faultText(fault)}`);
  line('starting …');
  const result = await runChaos(options, line, (fault: Fault) => line(`now ${faultText(fault)}`));
  return tell(options, result, violationsOf(result.history));
}

function tell(options: ChaosOptions, result: ChaosResult, violations: readonly Violation[]): number {
  const figures = figuresOf(result, violations);
  line('');
  for (const [name, value] of Object.entries(figures)) line(`${name.padEnd(66)} ${value}`);
  line(`${'seed'.padEnd(66)} ${options.seed}`);
  if (options.write) writeResults(options, figures, violations.length);
  if (violations.length > 0 || options.keep) {
    writeFileSync(join(result.folder, 'history.json'), JSON.stringify(result.history));
    writeFileSync(join(result.folder, 'violations.json'), JSON.stringify(violations, null, 1));
    line(`evidence: ${result.folder}`);
  } else rmSync(result.folder, { recursive: true, force: true });
  for (const { kind, task, fact } of violations.slice(0, SHOWN)) line(`VIOLATION ${kind}: ${task ?? ''} ${fact}`);
  if (violations.length > SHOWN) line(`… and ${violations.length - SHOWN} more, in violations.json`);
  line(violations.length === 0 ? 'every promise was kept' : `${violations.length} violations`);
  return violations.length === 0 ? 0 : 1;
}

for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => process.exit(130));
main().then(
  (code) => process.exit(code),
  (error: unknown) => {
    if (error instanceof UsageError) process.stderr.write(`${error.message}\n\n${USAGE}\n`);
    else process.stderr.write(`${error instanceof Error ? error.stack : String(error)}\n`);
    process.exit(2);
  },
);
