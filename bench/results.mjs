const REPEAT = `## How to repeat

\`\`\`
npm ci
npm run bench -- --write        # all of it, about twelve minutes, on an otherwise idle machine
npm run bench -- --quick        # shorter measurements
npm run bench -- --only sends   # one scenario: sends, grpc, streams, subscribers, chunks, lists, commits, card, recovery, rolling, sleeping, outages, fairness, overload or webhooks
npm run bench -- --profile      # where the server and Postgres spend their time at 64 connections
\`\`\`

Only ratios within one run mean anything on another machine: every run measures the official SDK's server beside ours,
with the same load generator, which reads and checks every answer.
`;

/** The results of a run as a Markdown page. */
export function resultsPage(facts, sections, bars) {
  const parts = ['# Benchmark results', 'Written by `npm run bench -- --write`.', factsText(facts)];
  if (bars.length > 0) parts.push('## Bars', barsText(bars));
  for (const section of sections) parts.push(sectionText(section));
  return `${parts.join('\n\n')}\n\n${REPEAT}`;
}

/** Pairs of a name and a text as a Markdown list. */
export function factsText(facts) {
  return facts.map(([name, text]) => `- **${name}**: ${text}`).join('\n');
}

/** One scenario's section as Markdown, columns aligned for a terminal. */
export function sectionText({ title, text, tables }) {
  return [`## ${title}`, ...text, ...tables.map(({ columns, rows }) => tableText(columns, rows))].join('\n\n');
}

/** The bars and whether they are met, as Markdown. */
export function barsText(bars) {
  const rows = bars.map(({ name, value, bar, met }) => [name, value, bar, met ? 'pass' : '**FAIL**']);
  return tableText(['', 'measured', 'bar', ''], rows);
}

/** A Markdown table, columns aligned for a terminal. */
function tableText(columns, rows) {
  const lines = [columns, ...rows].map((cells) => cells.map(String));
  const widths = columns.map((_, column) => Math.max(3, ...lines.map((cells) => cells[column].length)));
  const line = (cells) => `| ${cells.map((cell, column) => cell.padEnd(widths[column])).join(' | ')} |`;
  const [head, ...body] = lines.map(line);
  return [head, line(widths.map((width) => '-'.repeat(width))), ...body].join('\n');
}
