import { setTimeout as pause } from 'node:timers/promises';
import { defineAgent, Reject, type AgentTask } from 'perdure';
import { columnStatistics } from './column-statistics.js';
import { columnSection, reportHead } from './markdown-report.js';
import { readTable } from './table.js';

const LONGEST_DELAY_MS = 10_000;

export default defineAgent({
  card: {
    name: 'CSV report',
    description: 'Reads a CSV and writes a Markdown report with statistics of every column.',
    defaultInputModes: ['text/csv', 'text/plain', 'application/json'],
    defaultOutputModes: ['text/markdown'],
    skills: [
      {
        id: 'csv-report',
        name: 'Report on a CSV',
        description:
          'Send a CSV as text, as a file, or as data (a list of objects, or a list of rows that begins with the header). ' +
          'For each column the report has count, missing and distinct values; of numbers the minimum, maximum, mean, ' +
          'median and standard deviation; of texts the most frequent values.',
        tags: ['csv', 'statistics', 'report'],
        examples: ['region,amount\nNorth,12.5\nSouth,7'],
      },
    ],
  },
  timeout: '15m',

  async run(task) {
    // Reading the message is quick and gives the same table every time, so it needs no step.
    const table = readTable(task.message);
    const delayMs = delayOf(task);
    const report = task.artifact({
      name: 'report.md',
      description: 'Statistics of every column',
      mediaType: 'text/markdown',
    });
    await report.append(reportHead(table));
    for (const [index, column] of table.columns.entries()) {
      await task.status(`Column ${index + 1} of ${table.columns.length}`);
      // The step's name holds the number only: a header can be of any length.
      const statistics = await task.step(`column ${index + 1}`, async ({ signal }) => {
        await pause(delayMs, undefined, { signal });
        return columnStatistics(column.values);
      });
      await report.append(columnSection(column.name, statistics));
    }
    await report.close();
    return `The report covers ${table.rowCount} rows and ${table.columns.length} columns.`;
  },
});

/** How long to take for each column, from the metadata of the request or the message: for trying out crashes. */
function delayOf(task: AgentTask): number {
  const delayMs = task.metadata.delayMs ?? task.message.metadata?.delayMs ?? 0;
  if (typeof delayMs === 'number' && delayMs >= 0 && delayMs <= LONGEST_DELAY_MS) return delayMs;
  throw new Reject(`The metadata's delayMs must be a number from 0 to ${LONGEST_DELAY_MS}.`);
}
