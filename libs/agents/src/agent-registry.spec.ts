import { expect, it } from 'vitest';
import type { Agent } from './agent.js';
import { AgentRegistry } from './agent-registry.js';

const agent = (id: string, atRoot = false) => ({ id, default: atRoot }) as Agent;

it('finds agents by id and lists them in its order', () => {
  const registry = new AgentRegistry([agent('b'), agent('a')]);
  expect(registry.get('b')?.id).toBe('b');
  expect(registry.get('constructor')).toBeUndefined();
  expect(registry.all().map(({ id }) => id)).toEqual(['a', 'b']);
});

it('puts the first agent by id at the root, unless another asks for it', () => {
  expect(new AgentRegistry([agent('b'), agent('a')]).default.id).toBe('a');
  expect(new AgentRegistry([agent('a'), agent('b', true)]).default.id).toBe('b');
});

it('refuses to serve nothing', () => {
  expect(() => new AgentRegistry([])).toThrow('There is no agent to serve');
});
