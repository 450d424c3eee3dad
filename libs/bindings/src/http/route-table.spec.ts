import { describe, expect, it } from 'vitest';
import { RouteTable } from './route-table.js';

describe('RouteTable', () => {
  const table = new RouteTable();
  table.add('POST', '/');
  table.add(['HEAD', 'GET'], '/');
  table.add('POST', '/:tenant');
  table.add('GET', '/agents/:agent/card.json');
  table.add('POST', '/message::send');
  table.add('POST', '/tasks/:id(.+)::cancel');

  it.each([
    ['/', ['GET', 'HEAD', 'POST']],
    ['/acme', ['POST']],
    ['/acme/', ['POST']],
    ['/agents/a%2Fb/card.json', ['GET']],
    ['/agents/a/cardXjson', []],
    ['/agents//card.json', []],
    ['/message:send', ['POST']],
    ['/tasks/t-1:cancel', ['POST']],
    ['/tasks/t-1:cancel/', ['POST']],
    ['/tasks/:cancel', []],
    ['/tasks/t-1', []],
    ['/a/b', []],
  ])('knows the methods at %s', (path, methods) => {
    expect(table.methodsAt(path)).toEqual(methods);
  });
});
