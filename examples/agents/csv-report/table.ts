import { parse } from 'csv-parse/sync';
import { Reject, type MessageJson, type PartJson } from 'perdure';

const MOST_COLUMNS = 500;
const HOW_TO = 'Send a CSV with a header and at least one row: as text, as a file, or as data.';

/** A table by columns; every cell is text, and an empty text is a missing value. */
export interface Table {
  /** Where it comes from, for the heading. */
  readonly title: string;
  readonly rowCount: number;
  readonly columns: readonly { readonly name: string; readonly values: readonly string[] }[];
}

/**
 * The table in the message: of its first file, else its first data part, else its first text.
 * Throws Reject, with a text for the client, when there is none or it cannot be read.
 */
export function readTable(message: MessageJson): Table {
  const parts = message.parts ?? [];
  const part =
    parts.find((candidate) => candidate.raw !== undefined) ??
    parts.find((candidate) => candidate.data !== undefined) ??
    parts.find((candidate) => candidate.text !== undefined);
  if (!part) {
    throw new Reject(parts.some(({ url }) => url !== undefined) ? `This agent opens no links. ${HOW_TO}` : HOW_TO);
  }
  return fromRows(rowsOf(part), part.filename ?? 'your data');
}

function rowsOf(part: PartJson): string[][] {
  if (part.raw !== undefined) return parseCsv(decode(part.raw));
  if (part.data !== undefined) return dataRows(part.data);
  return parseCsv(part.text ?? '');
}

function decode(base64: string): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(Buffer.from(base64, 'base64'));
  } catch {
    throw new Reject('The file is no UTF-8 text. Save it as CSV in UTF-8 and send it again.');
  }
}

function parseCsv(text: string): string[][] {
  try {
    return parse(text, { bom: true, delimiter: delimiterOf(text), skip_empty_lines: true, trim: true }) as string[][];
  } catch (error) {
    throw new Reject(`The CSV cannot be read: ${error instanceof Error ? error.message : 'it is malformed'}.`);
  }
}

/** The one of comma, semicolon and tab that stands most often in the header. */
function delimiterOf(text: string): string {
  const header = text.trimStart().split('\n', 1)[0] ?? '';
  const count = (delimiter: string) => header.split(delimiter).length;
  return [',', ';', '\t'].reduce((best, delimiter) => (count(delimiter) > count(best) ? delimiter : best));
}

function dataRows(data: unknown): string[][] {
  const rows: unknown = isRecord(data) ? (data.csv ?? data.rows) : data;
  if (typeof rows === 'string') return parseCsv(rows);
  if (Array.isArray(rows) && rows.every((row) => Array.isArray(row)))
    return rows.map((row: unknown[]) => row.map(cell));
  if (Array.isArray(rows) && rows.every(isRecord)) return recordRows(rows);
  throw new Reject(`The data is no table: it must be a list of objects, a list of rows, or { "csv": "…" }. ${HOW_TO}`);
}

function recordRows(records: Record<string, unknown>[]): string[][] {
  const header = [...new Set(records.flatMap((record) => Object.keys(record)))];
  return [header, ...records.map((record) => header.map((name) => cell(record[name])))];
}

function cell(value: unknown): string {
  if (value === null || value === undefined) return '';
  return typeof value === 'string' ? value : JSON.stringify(value);
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function fromRows([header = [], ...rows]: string[][], title: string): Table {
  if (header.length === 0 || rows.length === 0) throw new Reject(`There are no rows to report on. ${HOW_TO}`);
  if (header.length > MOST_COLUMNS) throw new Reject(`A report covers at most ${MOST_COLUMNS} columns.`);
  const uneven = rows.findIndex((row) => row.length !== header.length);
  if (uneven >= 0) throw new Reject(`Row ${uneven + 1} does not have as many cells as the header.`);
  const columns = header.map((name, index) => ({
    name: name || `column ${index + 1}`,
    values: rows.map((row) => row[index]?.trim() ?? ''),
  }));
  return { title, rowCount: rows.length, columns };
}
