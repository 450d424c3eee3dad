import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { audit } from './audit.mjs';
import { Laboratory } from './laboratory.mjs';
import { PROFILE_SETTINGS, profile } from './profile.mjs';
import { barsText, factsText, resultsPage, sectionText } from './results.mjs';
import { card } from './scenarios/card.mjs';
import { chunks } from './scenarios/chunks.mjs';
import { commits } from './scenarios/commits.mjs';
import { fairness } from './scenarios/fairness.mjs';
import { grpc } from './scenarios/grpc.mjs';
import { lists } from './scenarios/lists.mjs';
import { recovery } from './scenarios/recovery.mjs';
import { rolling } from './scenarios/rolling.mjs';
import { overload } from './scenarios/overload.mjs';
import { outages } from './scenarios/outages.mjs';
import { sends } from './scenarios/sends.mjs';
import { sleeping } from './scenarios/sleeping.mjs';
import { subscribers } from './scenarios/subscribers.mjs';
import { streams } from './scenarios/streams.mjs';
import { webhooks } from './scenarios/webhooks.mjs';
import { surroundings } from './surroundings.mjs';

const SCENARIOS = {
  sends,
  grpc,
  streams,
  subscribers,
  chunks,
  lists,
  commits,
  card,
  recovery,
  rolling,
  sleeping,
  outages,
  fairness,
  overload,
  webhooks,
};
const NORMAL = { warmUpMs: 2_000, measureMs: 5_000 };
const QUICK = { warmUpMs: 1_000, measureMs: 2_000, isQuick: true };
const RESULTS = new URL('RESULTS.md', import.meta.url);

const options = readOptions();
const lab = await Laboratory.open(options.quick ? QUICK : NORMAL, options.profile ? PROFILE_SETTINGS : {});
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => void lab.close().finally(() => process.exit(1)));
try {
  const facts = await surroundings(lab.postgres);
  console.log(factsText(facts));
  const sections = [];
  for await (const section of measured(lab, options)) {
    sections.push(section);
    console.log(`\n${sectionText(section)}`);
  }
  const bars = sections.flatMap((section) => section.bars);
  for (const line of lab.complaints.slice(0, 5)) console.log(`\nlogged: ${line}`);
  console.log(`\n## Bars\n\n${barsText(bars)}`);
  if (options.write) writeFileSync(RESULTS, resultsPage(facts, sections, bars));
  if (bars.some(({ met }) => !met)) process.exitCode = 1;
} finally {
  await lab.close();
}

/** Yields the section of every scenario, and of the audit that follows them. */
async function* measured(lab, options) {
  const facts = {};
  if (options.profile) yield await profile(lab, options.only?.includes('grpc') ? 'gRPC' : 'JSON-RPC');
  for (const name of options.profile ? [] : options.names) {
    const section = await SCENARIOS[name](lab, facts);
    facts[name] = section.facts;
    yield section;
  }
  if (lab.answered.size > 0) yield await audit(lab);
}

function readOptions() {
  const boolean = { type: 'boolean', default: false };
  const { values } = parseArgs({
    options: { quick: boolean, write: boolean, profile: boolean, only: { type: 'string', multiple: true } },
  });
  const unknown = values.only?.find((name) => !(name in SCENARIOS));
  if (unknown) throw new Error(`no scenario ${unknown}: ${Object.keys(SCENARIOS).join(', ')}`);
  // In the order of the table: later scenarios use what earlier ones have measured and left behind.
  const names = Object.keys(SCENARIOS).filter((name) => values.only?.includes(name) ?? true);
  return { ...values, names };
}
