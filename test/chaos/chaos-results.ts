import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { join } from 'node:path';
import { packageRoot } from '#platform';
import { type ChaosOptions } from './chaos-options.js';
import { kindsOf } from './fault-schedule.js';

const PAGE = join(packageRoot(), 'bench/CHAOS.md');
const HEAD = `# Chaos: what came of it

Written by \`npm run chaos -- --write\`, one section for each mode and set of faults; [docs/chaos.md](../docs/chaos.md) says
what the suite does and what the words mean.
`;

/** Puts the figures of a run in the place of those of the last one of its kind. */
export function writeResults(
  options: ChaosOptions,
  figures: Readonly<Record<string, string>>,
  violations: number,
): void {
  const title = titleOf(options);
  const page = existsSync(PAGE) ? readFileSync(PAGE, 'utf8') : HEAD;
  const [head, ...sections] = page.split(/^(?=## )/m);
  const others = sections.filter((section) => !section.startsWith(`## ${title}\n`));
  const section = `## ${title}\n\n${table(options, figures, violations)}\n`;
  const all = [...others.map((other) => other.trimEnd() + '\n'), section].sort();
  writeFileSync(PAGE, [head!.trimEnd() + '\n', ...all].join('\n'));
}

function titleOf({ mode, durationMs, tasks, kinds, everyMs, webhookShare }: ChaosOptions): string {
  const faults = kinds.length === kindsOf(mode).length ? 'all kinds of faults' : kinds.join(', ');
  const until = tasks === undefined ? `${durationMs / 60_000} minutes` : `${tasks} tasks`;
  const webhooks = webhookShare === 100 ? ', webhooks for all' : '';
  return `${mode === 'redis' ? 'Redis' : 'Postgres alone'}: ${faults}, one in ${everyMs / 1_000} s, ${until}${webhooks}`;
}

function table({ seed, clients }: ChaosOptions, figures: Readonly<Record<string, string>>, violations: number): string {
  const machine = `${cpus().length} × ${cpus()[0]?.model ?? 'unknown'}, Node ${process.versions.node}`;
  const rows = [
    ...Object.entries({ violations: String(violations), ...figures }),
    ['seed', String(seed)],
    ['tasks under way at a time', String(clients)],
    ['machine', machine],
  ];
  const width = Math.max(...rows.map(([name]) => name!.length));
  const other = Math.max(...rows.map(([, value]) => value!.length));
  const row = ([name, value]: readonly string[]) => `| ${name!.padEnd(width)} | ${value!.padEnd(other)} |`;
  return [row(['', '']), `| ${'-'.repeat(width)} | ${'-'.repeat(other)} |`, ...rows.map(row)].join('\n');
}
