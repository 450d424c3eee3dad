import { describe, expect, it } from 'vitest';
import { cardUrl, jsonRpcInterface } from './agent-address.js';

const CARD = '.well-known/agent-card.json';

describe('cardUrl', () => {
  it.each([
    ['a server', 'http://h:1', undefined, `http://h:1/${CARD}`],
    ['a server with a slash', 'http://h:1/', undefined, `http://h:1/${CARD}`],
    ['an agent', 'https://h/agents/echo', undefined, `https://h/agents/echo/${CARD}`],
    ['a card', `http://h/agents/echo/${CARD}`, undefined, `http://h/agents/echo/${CARD}`],
    ['a card at another place', 'http://h/cards/mine.json', undefined, 'http://h/cards/mine.json'],
    ['an agent of a server', 'http://h:1', 'csv', `http://h:1/agents/csv/${CARD}`],
    ['an agent of a server below a path', 'http://h/a2a/', 'csv', `http://h/a2a/agents/csv/${CARD}`],
    ['an agent beside the card that is given', `http://h/${CARD}`, 'csv', `http://h/agents/csv/${CARD}`],
    ['an id that is no path', 'http://h', '../x', `http://h/agents/..%2Fx/${CARD}`],
  ])('finds the card of %s', (_, url, agent, expected) => {
    expect(cardUrl({ url, agent }).href).toBe(expected);
  });

  it.each(['localhost:8080', 'ftp://h', 'file:///etc/passwd', 'nonsense', ''])('refuses "%s"', (url) => {
    expect(() => cardUrl({ url })).toThrow('is not a URL of a server');
  });
});

describe('jsonRpcInterface', () => {
  const address = { url: 'http://h/agents/a', headers: {} };

  it('takes the first JSON-RPC interface of A2A 1.x, and reads its URL against the card', () => {
    const supportedInterfaces = [
      { protocolBinding: 'GRPC', protocolVersion: '1.0', url: 'h:1' },
      { protocolBinding: 'JSONRPC', protocolVersion: '0.3', url: 'http://h/old' },
      { protocolBinding: 'JSONRPC', protocolVersion: '1.0', url: '/new', tenant: 't' },
      { protocolBinding: 'JSONRPC', protocolVersion: '1.1', url: 'http://h/newer' },
    ];

    expect(jsonRpcInterface({ supportedInterfaces }, address)).toMatchObject({ url: 'http://h/new', tenant: 't' });
  });

  it('refuses a card without one, or with one that is no URL', () => {
    const supportedInterfaces = [{ protocolBinding: 'JSONRPC', protocolVersion: '1.0', url: 'http://' }];

    expect(() => jsonRpcInterface({}, address)).toThrow('its card has none at all');
    expect(() => jsonRpcInterface({ supportedInterfaces }, address)).toThrow('cannot be used');
  });
});
