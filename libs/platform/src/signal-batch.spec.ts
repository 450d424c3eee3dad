import { describe, expect, it } from 'vitest';
import { decodeSignals, encodeSignals, SignalBatch } from './signal-batch.js';

const PAYLOAD_LIMIT = 8_000;

describe('a signal payload', () => {
  it('carries topics and keys as they are where they fit', () => {
    const topics = new Map([
      ['tasks', new Set(['a', 'ü', '__proto__'])],
      ['__proto__', new Set(['b'])],
    ]);
    expect(decodeSignals(encodeSignals('me', topics))).toEqual({ origin: 'me', topics });
  });

  it.each([
    ['many keys', new Map([['tasks', new Set(Array.from({ length: 1_500 }, (_, index) => `key-${index}`))]])],
    ['wide characters', new Map([['tasks', new Set(['ü'.repeat(5_000)])]])],
  ])('names the topic alone for %s', (_, topics) => {
    const payload = encodeSignals('me', topics);
    expect(Buffer.byteLength(payload)).toBeLessThan(PAYLOAD_LIMIT);
    expect(decodeSignals(payload)).toEqual({ origin: 'me', topics: new Map([['tasks', 'all']]) });
  });

  it('says "everything" where not even the topics fit', () => {
    const topics = new Map(Array.from({ length: 1_000 }, (_, index) => [`topic-${index}`, new Set(['a'])]));
    const payload = encodeSignals('me', topics);
    expect(Buffer.byteLength(payload)).toBeLessThan(PAYLOAD_LIMIT);
    expect(decodeSignals(payload)).toEqual({ origin: 'me', topics: 'all' });
  });

  it.each(['', 'x', 'null', '[]', '{"topics":{}}', '{"origin":1,"topics":{"tasks":["a"]}}', '{"origin":"me"}'])(
    'means "everything" where it is %j',
    (payload) => {
      expect(decodeSignals(payload).topics).toBe('all');
    },
  );
});

describe('SignalBatch', () => {
  it('holds a key once, and "all" for a topic that has too many', () => {
    const batch = new SignalBatch();
    batch.add('few', 'a');
    batch.add('few', 'a');
    for (let index = 0; index < 10_000; index++) batch.add('many', `key-${index}`);
    expect(batch.take()).toEqual(
      new Map<string, unknown>([
        ['few', new Set(['a'])],
        ['many', 'all'],
      ]),
    );
    expect(batch.isEmpty).toBe(true);
  });

  it('does not forget "all" when keys follow', () => {
    const batch = new SignalBatch();
    batch.add('tasks', undefined);
    batch.merge(new Map([['tasks', new Set(['a'])]]));
    expect(batch.take()).toEqual(new Map([['tasks', 'all']]));
  });
});
