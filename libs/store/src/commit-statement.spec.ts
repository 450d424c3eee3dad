import { describe, expect, it } from 'vitest';
import { commitStatement } from './commit-statement.js';
import { type AppendWrite } from './writes.js';

function append(event: string): AppendWrite {
  const task = { tenantId: 'acme', taskId: '01a1fe85-72b1-75b9-b7be-97292e6e775e', token: 1, base: 1 };
  return { kind: 'append', ...task, events: [event], at: new Date('2026-01-01T00:00:00.000Z') };
}

function statement(event: string) {
  return commitStatement([], [{ key: 'a', writes: [append(event)] }], { leaseMs: 5_000, shard: 0 });
}

describe(commitStatement, () => {
  it('refuses a text that would reach into its neighbours', () => {
    expect(() => statement('{"text":"a\u001fb"}')).toThrow(RangeError);
    expect(() => statement('\u001e')).toThrow(RangeError);
  });

  it('takes the same character as JSON writes it', () => {
    const event = JSON.stringify({ text: 'a\u001fb' });
    expect(statement(event).values).toContain(event);
  });
});
