import { join } from 'node:path';
import { packageRoot } from '#platform';
import { ACTS } from './acts.js';
import { type Place } from './case.js';
import { DELTAS } from './deltas.js';
import { type Evidence, EVIDENCE } from './evidence.js';
import { REQUIREMENTS } from './requirements.js';
import { type Reservation, RESERVATIONS } from './reservations.js';

/** Where the page is kept. */
export const PAGE_PATH = join(packageRoot(), 'docs/conformance.md');

const PLACES: readonly Place[] = ['JSONRPC', 'HTTP+JSON', 'GRPC', 'CARD'];

/** The conformance page, as a run came out: `passed` says whether a test did, by its full name. */
export function renderPage(passed: (test: string) => boolean): string {
  const page = [
    INTRODUCTION,
    summary(),
    requirementTables(passed),
    actsTable(passed),
    reservationList(),
    deltaTable(),
    KITS,
  ];
  return `${page.join('\n\n')}\n`;
}

const INTRODUCTION = `# Conformance

What the A2A compatibility kit (TCK, branch 1.0-dev) and ACTS, the suite of the A2A dashboard, ask of a server, restated as
tests of our own and run over all bindings against a real server with a real Postgres. They follow specification 1.0.1, and
look harder than the kits where those prove little: lists that have something in them, orders, exact errors.

The page is generated from a run: \`npm run conformance\`. The cases are in [test/conformance](../test/conformance), the
rows that must come out alike over all bindings in [test/equivalence](../test/equivalence).`;

const KITS = `## The official kits

\`\`\`
npm run build
PERDURE_PUSH_ALLOW=localhost,127.0.0.1 node dist/apps/cli/src/main.js serve test/conformance/agents --port 9999 --grpc-port 50051
\`\`\`

serves an agent that does what the kits' messages ask for, by the prefix of the message id or of the text, at
\`http://localhost:9999\`, and tells the kits' webhooks, which are on this machine. The TCK: \`./run_tck.py --sut-host http://localhost:9999\`. Environment variables of the server
make the runs that need another agent:

| Variable | The agent |
| --- | --- |
| \`ITK_ACTS_REDUCED_CAPABILITIES=1\` | does not stream and has no webhooks: streaming operations are UnsupportedOperation, those on webhooks PushNotificationNotSupported |
| \`TCK_REQUIRED_EXTENSION=1\` | requires \`urn:a2a:tck:required-extension\` |
| \`TCK_ANY_MEDIA_TYPE=1\` | takes parts of every media type, against the specification and for the kit's CORE-SEND-003 |
| \`TCK_STREAMING_TIMEOUT\` (2) | works for twice so many seconds at \`test-resubscribe-message-id\` |`;

const ABOUT_DELTAS = `What the kit asserts where it and the specification part, and the verdict that follows from that for the conformance agent.`;

function summary(): string {
  const held = REQUIREMENTS.filter(({ id }) => evidenceOf(id).length > 0 && !isPending(id)).length;
  const pending = REQUIREMENTS.filter(({ id }) => isPending(id)).length;
  const elsewhere = REQUIREMENTS.length - held - pending;
  return (
    `Of the kit's ${REQUIREMENTS.length} requirements the cases hold the server to ${held}; ${pending} are not yet served, ` +
    `and ${elsewhere} are the operator's or the client's. ✓ passed · ✗ failed · — does not concern the binding.`
  );
}

function requirementTables(passed: (test: string) => boolean): string {
  const groups = [...new Set(REQUIREMENTS.map(({ id }) => groupOf(id)))];
  const tables = groups.map((group) => {
    const requirements = REQUIREMENTS.filter(({ id }) => groupOf(id) === group);
    const rows = requirements.map(
      ({ id, level, meaning }) => `| ${id} | ${level} | ${meaning} | ${cells(id, passed)} |`,
    );
    return `### ${group}\n\n${head(['Requirement', 'Level', 'Asks that'])}\n${rows.join('\n')}`;
  });
  return `## Requirements of the kit\n\n${tables.join('\n\n')}`;
}

function actsTable(passed: (test: string) => boolean): string {
  const rows = Object.entries(ACTS).map(([id, meaning]) => `| ${id} | ${meaning} | ${cells(`ACTS ${id}`, passed)} |`);
  return `## ACTS\n\n${head(['Id', 'Asks that'])}\n${rows.join('\n')}`;
}

function head(first: readonly string[]): string {
  const names = [...first, 'JSON-RPC', 'HTTP+JSON', 'gRPC', 'Card', 'Cases'];
  return `| ${names.join(' | ')} |\n|${' --- |'.repeat(names.length)}`;
}

/** The results of a requirement at each place, and the cases behind them. */
function cells(id: string, passed: (test: string) => boolean): string {
  const evidence = evidenceOf(id);
  const results = PLACES.map((place) => {
    const tests = evidence.filter(({ places }) => places.includes(place)).flatMap((item) => item.tests(place));
    if (tests.length === 0) return '—';
    if (!tests.every(passed)) return '✗';
    const kind = reservationOf(id)?.kind;
    return kind === undefined ? '✓' : kind === 'partly' ? '✓ partly' : kind;
  });
  const names = evidence.map(({ name }) => name).join('<br>');
  return `${results.join(' | ')} | ${names === '' ? (reservationOf(id)?.kind ?? '') : names}`;
}

function reservationList(): string {
  const items = RESERVATIONS.map(
    ({ kind, requirements, reason }) => `- **${kind}**: ${requirements.join(', ')}. ${reason}`,
  );
  return `## What the cases do not show\n\n${items.join('\n')}`;
}

function deltaTable(): string {
  const rows = DELTAS.map((delta) => {
    const { test, requirement, kit, server, reason, verdict } = delta;
    return `| ${requirement} | ${test} | ${kit} | ${server} | ${reason} | ${verdict} |`;
  });
  const names = ['Requirement', 'Test of the kit', 'The kit wants', 'The server does', 'Because', 'Verdict'];
  return `## Deltas to the kit\n\n${ABOUT_DELTAS}\n\n| ${names.join(' | ')} |\n|${' --- |'.repeat(names.length)}\n${rows.join('\n')}`;
}

function groupOf(id: string): string {
  return id.split('-')[0]!;
}

function evidenceOf(id: string): Evidence[] {
  return EVIDENCE.filter(({ requirements }) => requirements.includes(id));
}

function reservationOf(id: string): Reservation | undefined {
  return RESERVATIONS.find(({ requirements }) => requirements.includes(id));
}

function isPending(id: string): boolean {
  return reservationOf(id)?.kind === 'not yet';
}
