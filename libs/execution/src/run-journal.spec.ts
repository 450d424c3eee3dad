import { describe, expect, it } from 'vitest';
import { OverLimitError } from '#tasks';
import { NonDeterministicHandlerError } from './handler-errors.js';
import { RunJournal } from './run-journal.js';

const record = (branch: string, position: number, kind: string, name: string | null = null) => ({
  ...{ turn: 2, branch, position, kind, name },
  value: null,
});

const within = (maxRecords: number, recorded: string | null = '1.0.0', running = '1.0.0') => ({
  maxRecords,
  versions: { recorded, running },
});

describe(RunJournal, () => {
  it('numbers the calls of the handler and of each branch by themselves', () => {
    const calls = new RunJournal(2, [], within(10)).calls();
    calls.next('uuid');
    const all = calls.next('all', 'a, b');
    const [a, b] = [all.within('a'), all.within('b')];
    b.next('uuid');
    expect([a.next('uuid'), b.next('uuid'), calls.next('return')].map(({ place }) => place)).toEqual([
      '2-2.a-1',
      '2-2.b-2',
      '2-3',
    ]);
    expect(b.next('step', 's').within().next('retry', 's').record('1')).toEqual({
      ...record('2.b.3', 1, 'retry', 's'),
      value: '1',
    });
  });

  it('finds what was recorded at a place, and nothing at its neighbours', () => {
    const calls = new RunJournal(2, [record('', 1, 'all', 'a, b'), record('1.a', 1, 'uuid')], within(10)).calls();
    const all = calls.next('all', 'a, b');
    expect(all.within('a').next('uuid').recorded).toEqual(record('1.a', 1, 'uuid'));
    expect(all.within('b').next('uuid').recorded).toBeUndefined();
    expect(calls.next('uuid').recorded).toBeUndefined();
  });

  it('names the branch in which a replay goes another way', () => {
    const calls = new RunJournal(2, [record('1.a', 1, 'uuid')], within(10)).calls();
    const a = calls.next('all', 'a').within('a');
    expect(() => a.next('step', 's')).toThrow(NonDeterministicHandlerError);
    expect(() => calls.next('all', 'a').within('a')).not.toThrow();
    expect(() => new RunJournal(2, [record('1.a', 1, 'uuid')], within(10)).calls('1.a').next('now')).toThrow(
      /call 1 of branch 1\.a is now, but when it ran before it was uuid/,
    );
  });

  it('refuses to record more than the limit, those of earlier runs included', () => {
    const calls = new RunJournal(2, [record('', 1, 'uuid'), record('', 2, 'uuid')], within(3)).calls();
    calls.next('uuid');
    calls.next('uuid');
    calls.next('uuid').record('1');
    expect(() => calls.next('uuid').record('1')).toThrow(OverLimitError);
  });

  it.each([
    ['1.2.0', '1.3.0', 'recorded by version 1.2.0; this is 1.3.0'],
    ['1.3.0', '1.3.0', 'recorded by this version, 1.3.0: the way of the calls depends on something else'],
    [null, '1.3.0', 'this is version 1.3.0'],
  ])('says which versions do not go together: recorded by %s, run by %s', (recorded, running, explanation) => {
    const calls = new RunJournal(2, [record('', 1, 'uuid')], within(10, recorded, running)).calls();
    expect(() => calls.next('now')).toThrow(`each time it runs (${explanation})`);
  });
});
