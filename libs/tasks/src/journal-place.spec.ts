import { describe, expect, it } from 'vitest';
import { comparePlaces, isFrom, placeOf, placeText } from './journal-place.js';

const at = (text: string) => placeOf(text)!;

describe('the place of a record', () => {
  it.each(['1', '3.left.2', '3.left.2.0.5', '4.1'])('is read back from its text: %s', (text) => {
    expect(placeText(at(text))).toBe(text);
  });

  it.each(['', 'charge', '3.', '.3', '3..2', '3.left', '-1', '3.le ft.2', '1'.repeat(10), '3.left.2;drop'])(
    'is no other text: %j',
    (text) => expect(placeOf(text)).toBeUndefined(),
  );

  it('is ordered as the handler comes to it, by number and not by letter', () => {
    const places = ['10', '3.right.1', '2.1', '3', '3.left.10', '1', '3.left.2', '2'].map(at);
    expect(places.sort(comparePlaces).map(placeText)).toEqual([
      ...['1', '2', '2.1', '3', '3.left.2', '3.left.10', '3.right.1', '10'],
    ]);
  });
});

describe('what a reset to a call drops', () => {
  const all = ['1', '2', '2.1', '3', '3.left.1', '3.left.2', '3.left.2.0.1', '3.left.3', '3.right.1', '4', '10'].map(
    at,
  );
  const dropped = (first: string) => all.filter((place) => isFrom(place, at(first))).map(placeText);

  it('is that call, its failures, and all that comes after it', () => {
    expect(dropped('2')).toEqual([
      ...['2', '2.1', '3', '3.left.1', '3.left.2', '3.left.2.0.1', '3.left.3', '3.right.1', '4', '10'],
    ]);
    expect(dropped('4')).toEqual(['4', '10']);
  });

  it('leaves the branches beside it, and the call that holds them', () => {
    expect(dropped('3.left.2')).toEqual(['3.left.2', '3.left.2.0.1', '3.left.3', '4', '10']);
    expect(dropped('3.right.1')).toEqual(['3.right.1', '4', '10']);
    expect(dropped('3.left.2.0.1')).toEqual(['3.left.2.0.1', '3.left.3', '4', '10']);
  });

  it('is nothing where nothing was recorded from there on', () => {
    expect(dropped('11')).toEqual([]);
  });
});
