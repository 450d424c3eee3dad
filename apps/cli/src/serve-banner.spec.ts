import { describe, expect, it } from 'vitest';
import { type Agent } from '#agents';
import { serveBanner } from './serve-banner.js';

function anAgent(id: string, fields: { default?: boolean; examples?: string[] } = {}): Agent {
  const skill = { id: 's', name: 'S', description: 'S', tags: [], examples: fields.examples };
  return {
    id,
    card: { name: `The ${id}`, description: 'For a test.', version: '1.0.0', skills: [skill] },
    retry: { attempts: 1, initialDelayMs: 1, maxDelayMs: 1 },
    timeoutMs: 1000,
    followUps: 'queue',
    listed: true,
    default: fields.default ?? false,
    source: `${id}.agent.ts`,
    run: () => undefined,
  };
}

describe('serveBanner', () => {
  it('names every agent with its card', () => {
    const banner = serveBanner({
      role: 'all',
      pid: 7,
      url: 'http://h:1/',
      grpc: 'h:2',
      agents: [anAgent('a'), anAgent('bbb')],
    });

    expect(banner).toContain('Perdure listens on http://h:1\ngRPC on h:2\nProcess 7\n');
    expect(banner).toContain('  a    The a\n       http://h:1/agents/a/.well-known/agent-card.json\n');
    expect(banner).toContain('  bbb  The bbb\n       http://h:1/agents/bbb/.well-known/agent-card.json\n');
  });

  it('tries the default agent, else the first, with an example of its own that fits on a line', () => {
    const examples = ['two\nlines', 'x'.repeat(81), "What's up?"];

    const withDefault = [anAgent('a'), anAgent('b', { default: true, examples })];
    expect(serveBanner({ role: 'all', pid: 7, url: 'http://h:1', grpc: undefined, agents: withDefault })).toContain(
      `npx perdure send http://h:1/agents/b 'What'\\''s up?'`,
    );
    expect(
      serveBanner({ role: 'all', pid: 7, url: 'http://h:1', grpc: undefined, agents: [anAgent('a'), anAgent('b')] }),
    ).toContain('send http://h:1/agents/a Hello');
  });

  it('says nothing of gRPC where that is off', () => {
    expect(
      serveBanner({ role: 'all', pid: 7, url: 'http://h:1', grpc: undefined, agents: [anAgent('a')] }),
    ).not.toContain('gRPC');
  });

  it('names the role of one that does not do everything', () => {
    const agents = [anAgent('a'), anAgent('b')];

    expect(serveBanner({ role: 'server', pid: 7, url: 'http://h:1', grpc: 'h:2', agents })).toContain(
      'Process 7, role server\n\nAgents:',
    );
    const worker = serveBanner({ role: 'worker', pid: 7, url: 'http://h:1', grpc: undefined, agents });
    expect(worker).toContain('Perdure listens on http://h:1\nProcess 7, role worker\n\nRuns tasks of: a, b\n');
    expect(worker).not.toContain('Try it');
  });
});
