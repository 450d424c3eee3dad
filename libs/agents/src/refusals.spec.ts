import { expect, it } from 'vitest';
import { Fail, isFail, isReject, Reject } from './refusals.js';

it('tells a rejection from a failure and from any other error', () => {
  expect([isReject(new Reject('no')), isFail(new Reject('no'))]).toEqual([true, false]);
  expect([isReject(new Fail('no')), isFail(new Fail('no'))]).toEqual([false, true]);
  for (const other of [new Error('no'), 'no', null, undefined, { name: 'Reject' }]) {
    expect([isReject(other), isFail(other)]).toEqual([false, false]);
  }
});

it('recognises the errors of another loaded copy of the SDK', () => {
  const foreign = Object.assign(new Error('no'), { [Symbol.for('perdure.reject')]: true });
  expect(isReject(foreign)).toBe(true);
});

it('carries its message and its name', () => {
  expect(String(new Reject('too long'))).toBe('Reject: too long');
  expect(String(new Fail('broken'))).toBe('Fail: broken');
});
