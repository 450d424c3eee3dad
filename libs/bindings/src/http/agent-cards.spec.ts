import { describe, expect, it } from 'vitest';
import { type Agent, AgentRegistry } from '#agents';
import { AgentCards } from './agent-cards.js';
import { type PublicUrl } from './public-url.js';

describe('AgentCards', () => {
  const card = { name: 'Echo', description: 'Says it again', version: '1.0.0', skills: [] };
  const registry = new AgentRegistry([{ id: 'echo', card } as unknown as Agent]);
  const newCards = () => new AgentCards(registry, { base: 'http://localhost:8080' } as PublicUrl);

  it('makes a card once', () => {
    const cards = newCards();
    expect(cards.at({ tenant: 'acme' })).toBe(cards.at({ tenant: 'acme' }));
  });

  it('forgets the oldest of a thousand, and makes it again when it is asked for', () => {
    const cards = newCards();
    const first = cards.at({ tenant: 'first' });
    for (let n = 0; n < 999; n++) cards.at({ tenant: `t${n}` });
    expect(cards.at({ tenant: 'first' })).toBe(first);
    cards.at({ tenant: 'one-more' });
    expect(cards.at({ tenant: 'first' })).not.toBe(first);
    expect(cards.at({ tenant: 'first' })).toEqual(first);
  });
});
