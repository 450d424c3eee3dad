/** Rows of cells under their headings, in columns that line up; the last column is as long as it is. */
export function textTable(headings: readonly string[], rows: readonly (readonly string[])[]): string {
  const all = [headings, ...rows];
  const widths = headings.slice(0, -1).map((_, column) => Math.max(...all.map((row) => row[column]?.length ?? 0)));
  const line = (row: readonly string[]) =>
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd();
  return all.map(line).join('\n');
}

/** So many of something: `1 task`, `2 tasks`, `3 deliveries`. */
export function counted(count: number, noun: string): string {
  return `${count} ${count === 1 ? noun : `${noun.replace(/y$/, 'ie')}s`}`;
}

/** The first line of a text, cut where it is longer than `length` characters. */
export function firstLine(text: string, length = 60): string {
  const [line = ''] = text.split('\n', 1);
  return line.length > length ? `${line.slice(0, length - 1)}…` : line;
}
