import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { packageRoot } from '#platform';

const folder = join(packageRoot(), 'migrations');
const files = readdirSync(folder);

/** What the version before, which still runs while a migration is applied, would stumble over. */
const BREAKING = [
  /\bdrop\s+(table|column|schema|sequence|type|view)\b/,
  /\brename\b/,
  /\balter\s+column\s+\S+\s+(type|set\s+data\s+type|set\s+not\s+null|drop\s+default)\b/,
  /\badd\s+column\b(?![^,;]*\b(default|generated)\b)[^,;]*\bnot\s+null\b/,
  /\btruncate\b/,
  /\block\s+table\b/,
];

function breaks(sql: string): boolean {
  const statements = sql.replaceAll(/--.*$/gm, '').toLowerCase();
  return BREAKING.some((pattern) => pattern.test(statements));
}

describe('a migration', () => {
  it.each(files)('%s only adds: processes of the version before go on with it', (file) => {
    expect(breaks(readFileSync(join(folder, file), 'utf8'))).toBe(false);
  });

  it.each([
    'alter table perdure.tasks drop column status;',
    'alter table perdure.tasks rename column status to state;',
    'alter table perdure.tasks alter column agent set not null;',
    'alter table perdure.tasks alter column agent type varchar(10);',
    'alter table perdure.tasks add column a int default 1, add column color text not null;',
    'drop table perdure.outbox;',
  ])('would be refused for: %s', (sql) => {
    expect(breaks(sql)).toBe(true);
  });

  it('has a number of its own, and is applied in the order of the numbers', () => {
    const numbers = files.map((file) => /^(\d{4})_[a-z_]+\.(sql|js)$/.exec(file)?.[1]);
    expect(numbers).toEqual(files.map((_, index) => String(index + 1).padStart(4, '0')));
  });
});
