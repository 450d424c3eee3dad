import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import pg from 'pg';
import { describe, expect, it } from 'vitest';
import { packageRoot } from '#platform';
import { knownSettings } from '../support/known-settings.js';
import { useDatabase } from '../support/postgres.js';

const page = readFileSync(join(packageRoot(), 'docs/operations.md'), 'utf8');
const statements = /(?<=^```sql\n)[^`]+/m
  .exec(page)![0]
  .split(/;\s+/)
  .filter((sql) => sql !== '')
  .map((sql) => [/-- (.*)/.exec(sql)![1]!, sql] as const);
const events = [...page.split('## What to watch')[1]!.matchAll(/^\| (`[^|]+`) \| (?:warn|error)/gm)].flatMap(
  ([, cell]) => [...cell!.matchAll(/`([^`]+)`/g)].map(([, event]) => event!),
);
const database = useDatabase();

/** The source of everything that runs, without its specs. */
function source(): string {
  const files = ['libs', 'apps'].flatMap((folder) =>
    readdirSync(join(packageRoot(), folder), { recursive: true, encoding: 'utf8' })
      .filter((file) => file.endsWith('.ts') && !file.endsWith('.spec.ts'))
      .map((file) => join(packageRoot(), folder, file)),
  );
  return files.map((file) => readFileSync(file, 'utf8')).join('\n');
}

describe('docs/operations.md', () => {
  it.each(statements)('has a statement that runs: %s', async (_, sql) => {
    const client = new pg.Client(database.url);
    await client.connect();
    await client.query(sql).finally(() => client.end());
  });

  it('names settings that exist', () => {
    const named = [...page.matchAll(/`(PERDURE_\w+|[A-Z]+_[A-Z_]*URL)\b/g)].map(([, name]) => name!);
    expect(named.length).toBeGreaterThan(20);
    expect(named.filter((name) => !knownSettings().has(name))).toEqual([]);
  });

  it('names lines of the log that are written', () => {
    const text = source();
    expect(events.length).toBeGreaterThan(15);
    expect(events.filter((event) => !text.includes(`'${event}'`))).toEqual([]);
  });
});

describe('the README', () => {
  it('has every setting in its table', () => {
    const readme = readFileSync(join(packageRoot(), 'README.md'), 'utf8');
    const rows = readme.split('\n').filter((line) => line.startsWith('| `'));
    const listed = rows.flatMap((row) => [...row.split('|')[1]!.matchAll(/`(\w+)`/g)].map(([, name]) => name!));
    expect(new Set(listed)).toEqual(knownSettings());
  });
});
