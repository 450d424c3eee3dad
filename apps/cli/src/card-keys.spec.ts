import { describe, expect, it } from 'vitest';
import { cardKeys } from './card-keys.js';

const REMOTE = new URL('https://agents.example.com/.well-known/agent-card.json');

describe('the keys of a card that is elsewhere', () => {
  it.each(['http://localhost:1/k', 'http://127.0.0.1:1/k', 'http://[::1]:1/k', 'https://127.0.0.1:1/k'])(
    'are not asked of this machine, as at %s',
    async (jku) => {
      await expect(cardKeys(REMOTE, undefined)({ kid: '1', jku })).rejects.toThrow(
        /is on this machine, the card is not/,
      );
    },
  );

  it.each(['http://keys.example.com/k', 'http://127.example.com/k', 'http://127.0.0.1.example.com/k'])(
    'are not fetched without TLS, as at %s',
    async (jku) => {
      await expect(cardKeys(REMOTE, undefined)({ kid: '1', jku })).rejects.toThrow(/is not served over https/);
    },
  );

  it('are fetched from four places at most', async () => {
    const keysOf = cardKeys(REMOTE, undefined);
    const ask = (name: string) => keysOf({ kid: '1', jku: `http://keys.example.com/${name}` });
    for (const name of ['a', 'b', 'c', 'd', 'a']) await expect(ask(name)).rejects.toThrow(/is not served over https/);
    await expect(ask('e')).rejects.toThrow('name 4 JWK sets already');
  });

  it('are asked of this machine where its user says so', async () => {
    const closed = 'http://127.0.0.1:1/k';
    await expect(cardKeys(REMOTE, closed)({ kid: '1' })).rejects.toThrow(/no document from/);
  });
});
