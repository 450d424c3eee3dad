import { describe, expect, it } from 'vitest';
import { type PushEndpointView } from '#store';
import { dealLanes } from './lane-shares.js';

const LIMITS = { endpoint: 8, tenant: 12, breaker: 5 };

function due(tenantId: string, endpoint: string, failures = 0): PushEndpointView {
  return { tenantId, endpoint, dueMs: 0, failures };
}

function underWay(tenantId: string, endpoint: string, lanes: number) {
  return { tenantId, endpoint, lanes, handed: 0 };
}

/** Lanes by `tenant/endpoint`. */
function deal(...[endpoints, busy, room, limits = LIMITS]: Partial<Parameters<typeof dealLanes>>) {
  const shares = dealLanes(endpoints ?? [], busy ?? [], room ?? 100, limits);
  return Object.fromEntries(shares.map(({ tenantId, endpoint, lanes }) => [`${tenantId}/${endpoint}`, lanes]));
}

describe('lanes are dealt', () => {
  it('so that a tenant with many endpoints gets no more than one with a single one', () => {
    const crowd = ['a', 'b', 'c', 'd'].map((endpoint) => due('crowd', endpoint));
    expect(deal([...crowd, due('single', 'x')], [], 8)).toEqual({
      'crowd/a': 1,
      'crowd/b': 1,
      'crowd/c': 1,
      'crowd/d': 1,
      'single/x': 4,
    });
  });

  it('up to what an endpoint and a tenant may have under way', () => {
    expect(deal([due('t', 'a')], [underWay('t', 'a', 5)])).toEqual({ 't/a': 3 });
    expect(deal([due('t', 'a'), due('t', 'b')], [underWay('t', 'c', 2)])).toEqual({ 't/a': 5, 't/b': 5 });
    expect(deal([due('t', 'a')], [underWay('t', 'a', 8)])).toEqual({});
    expect(deal([due('t', 'a')], [underWay('other', 'a', 8)])).toEqual({ 't/a': 8 });
  });

  it('the fewer to an endpoint the more often it has failed in a row, and one at a time once its breaker is open', () => {
    expect(deal([due('t', 'a', 1)])).toEqual({ 't/a': 4 });
    expect(deal([due('t', 'a', 4)])).toEqual({ 't/a': 2 });
    expect(deal([due('t', 'a', 5)])).toEqual({ 't/a': 1 });
    expect(deal([due('t', 'a', 5)], [underWay('t', 'a', 1)])).toEqual({});
    expect(deal([due('t', 'a', 1_000_000)])).toEqual({ 't/a': 1 });
  });

  it('never beyond the room there is', () => {
    expect(deal([due('t', 'a'), due('u', 'a'), due('v', 'a')], [], 2)).toEqual({ 't/a': 1, 'u/a': 1 });
    expect(deal([due('t', 'a')], [], 0)).toEqual({});
    expect(deal([due('t', 'a')], [], -3)).toEqual({});
  });
});
