import type { ColumnStatistics } from './column-statistics.js';
import type { Table } from './table.js';

const LONGEST_TEXT = 60;
const number = new Intl.NumberFormat('en-US', {
  useGrouping: false,
  maximumFractionDigits: 4,
  maximumSignificantDigits: 4,
  roundingPriority: 'morePrecision',
});

/** The beginning of the report: what it is about. */
export function reportHead({ title, rowCount, columns }: Table): string {
  return `# Report on ${plain(title)}\n\n${rowCount} rows, ${columns.length} columns.\n`;
}

/** The section of one column: a heading and a table, and a table of the most frequent values where they are texts. */
export function columnSection(name: string, statistics: ColumnStatistics): string {
  const { count, missing, distinct, numbers, top = [] } = statistics;
  const facts: [string, number | null][] = [
    ['count', count],
    ['missing', missing],
    ['distinct', distinct],
    ...(numbers
      ? ([
          ['minimum', numbers.min],
          ['maximum', numbers.max],
          ['mean', numbers.mean],
          ['median', numbers.median],
          ['standard deviation', numbers.standardDeviation],
        ] as [string, number | null][])
      : []),
  ];
  const factRows = facts.map(([fact, value]) => [fact, value === null ? '–' : number.format(value)]);
  const topRows = top.map((entry) => [plain(entry.value), String(entry.count), percent(entry.count / count)]);
  return [
    `\n## ${plain(name)}\n`,
    table(['', 'value'], factRows),
    ...(topRows.length > 0 ? ['', table(['most frequent', 'rows', 'share'], topRows)] : []),
    '',
  ].join('\n');
}

function table(head: string[], rows: string[][]): string {
  const separator = head.map((_, index) => (index === 0 ? '---' : '---:'));
  return [head, separator, ...rows].map((cells) => `| ${cells.join(' | ')} |`).join('\n');
}

function percent(share: number): string {
  return `${(share * 100).toFixed(1)} %`;
}

/** The text as one short line in which nothing is Markdown or HTML: it comes from whoever sent the CSV. */
function plain(text: string): string {
  const characters = Array.from(text.slice(0, 4 * LONGEST_TEXT).replace(/\s+/g, ' '));
  const short =
    characters.length > LONGEST_TEXT ? `${characters.slice(0, LONGEST_TEXT).join('')}…` : characters.join('');
  return short.replace(/[\\`*_{}[\]()<>#+!|~&]/g, '\\$&');
}
