import { type JsonObject } from '@bufbuild/protobuf';
import { expect, it } from 'vitest';
import { delegatedMetadata, DELEGATION_KEY, delegationDepth, isDelegated } from './delegation-metadata.js';

const taskId = '0190a5f0-0000-7000-8000-000000000001';
const TRACE = 'ab'.repeat(16);

it('counts from what a client sends, and takes the deepest of a task’s messages', () => {
  expect(delegationDepth({ taskId, metadata: [{}] })).toBe(0);
  const metadata: JsonObject[] = [{ [DELEGATION_KEY]: { depth: 2 } }, {}, { [DELEGATION_KEY]: { depth: 1 } }];
  expect(delegationDepth({ taskId, metadata })).toBe(2);
  expect(delegatedMetadata({}, { taskId, metadata }, undefined)[DELEGATION_KEY]).toEqual({ depth: 3 });
});

it.each([null, 'deep', [3], { depth: '3' }, { depth: -1 }, { depth: 1.5 }, { depth: 1e300 }])(
  'takes %j for no delegation at all',
  (given) => {
    expect(isDelegated({ [DELEGATION_KEY]: given })).toBe(false);
  },
);

it('goes on with a trace that is one, in a span of its own, and begins one where there is none', () => {
  const given = `00-${TRACE}-${'cd'.repeat(8)}-00`;
  const trace = (traceparent: string) =>
    delegatedMetadata({}, { taskId, metadata: [{ traceparent }] }, undefined).traceparent;
  expect(trace(given)).toMatch(new RegExp(`^00-${TRACE}-[0-9a-f]{16}-00$`));
  expect(trace(given)).not.toBe(given);
  expect(trace(`${given}\r\nx: y`)).toMatch(/^00-0190a5f0000070008000000000000001-[0-9a-f]{16}-01$/);
});

it('says what the server knows, whatever the author’s own metadata says', () => {
  const own = { mine: 1, [DELEGATION_KEY]: { depth: 0 }, traceparent: 'mine' };
  const deadline = new Date('2027-01-01T00:00:00Z');
  expect(delegatedMetadata(own, { taskId, metadata: [] }, deadline)).toMatchObject({
    mine: 1,
    [DELEGATION_KEY]: { depth: 1 },
    traceparent: expect.stringMatching(/^00-/) as unknown,
    'https://perdure.dev/extensions/scheduling/v1': { deadline: '2027-01-01T00:00:00.000Z' },
  });
});
