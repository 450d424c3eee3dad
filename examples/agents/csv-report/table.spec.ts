import { expect, it } from 'vitest';
import type { PartJson } from 'perdure';
import { readTable } from './table.js';

const read = (...parts: PartJson[]) => readTable({ messageId: '1', role: 'ROLE_USER', parts });
const base64 = (text: string, encoding: BufferEncoding = 'utf8') => Buffer.from(text, encoding).toString('base64');
const csv = 'name,age\nAda,36\nGrace,\n';
const columns = [
  { name: 'name', values: ['Ada', 'Grace'] },
  { name: 'age', values: ['36', ''] },
];

it.each<[string, PartJson]>([
  ['a text', { text: csv }],
  ['a file', { raw: base64(csv), mediaType: 'text/csv' }],
  ['a file with a byte order mark and CRLF', { raw: base64(`\uFEFF${csv.replaceAll('\n', '\r\n')}`) }],
  ['semicolons', { text: csv.replaceAll(',', ';') }],
  ['tabs', { text: csv.replaceAll(',', '\t') }],
  ['data with a csv field', { data: { csv } }],
  [
    'data of objects',
    {
      data: [
        { name: 'Ada', age: 36 },
        { name: 'Grace', age: null },
      ],
    },
  ],
  ['data of objects with gaps', { data: [{ name: 'Ada', age: 36 }, { name: 'Grace' }] }],
  [
    'data of rows',
    {
      data: [
        ['name', 'age'],
        ['Ada', 36],
        ['Grace', null],
      ],
    },
  ],
])('reads %s', (_what, part) => {
  expect(read(part)).toMatchObject({ rowCount: 2, columns });
});

it('reads quoted cells with delimiters, quotes and line breaks in them', () => {
  expect(read({ text: 'a,b\n"x, ""y""\nz",2' }).columns[0]?.values).toEqual(['x, "y"\nz']);
});

it('prefers a file to the words around it, and is called after it', () => {
  const table = read({ text: 'Please report on this' }, { raw: base64(csv), filename: 'people.csv' });
  expect(table).toEqual({ title: 'people.csv', rowCount: 2, columns });
});

it('names a column that has no name', () => {
  expect(read({ text: 'a,\n1,2' }).columns[1]?.name).toBe('column 2');
});

it.each<[string, PartJson[], RegExp]>([
  ['nothing', [], /^Send a CSV/],
  ['a link', [{ url: 'https://example.com/a.csv' }], /opens no links/],
  ['an empty text', [{ text: ' ' }], /no rows/],
  ['a header alone', [{ text: 'a,b' }], /no rows/],
  ['rows of different length', [{ text: 'a,b\n1,2,3' }], /cannot be read: .*line 2/],
  ['an open quote', [{ text: 'a\n"x' }], /cannot be read: /],
  ['another encoding', [{ raw: base64('né,1\nx,2', 'latin1') }], /UTF-8/],
  ['data rows of different length', [{ data: [['a'], [1, 2]] }], /Row 1 does not have/],
  ['data that is no table', [{ data: { a: 1 } }], /no table/],
  ['an empty list', [{ data: [] }], /no rows/],
  ['too many columns', [{ data: [Array(501).fill('a'), Array(501).fill(1)] }], /at most 500/],
])('rejects %s with a word on what to send', (_what, parts, text) => {
  expect(() => read(...parts)).toThrow(
    expect.objectContaining({ name: 'Reject', message: expect.stringMatching(text) }),
  );
});
