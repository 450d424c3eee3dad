import { describe, expect, it } from 'vitest';
import { batchSize, grouped } from './commit-batch.js';
import { type AppendWrite, type CreateWrite } from './writes.js';

const at = new Date(0);

function create(taskId: string, fields: Partial<CreateWrite> = {}): { write: CreateWrite } {
  return {
    write: {
      ...{
        kind: 'create',
        tenantId: 'acme',
        taskId,
        agent: 'a',
        contextId: 'c',
        owner: 'o',
        state: 2,
        status: '{}',
        at,
      },
      ...{ events: ['1', '2'], message: '{}', request: null, startAt: null, deadline: null, agentVersion: '1' },
      ...{ leaseOwner: 'worker', priority: 0, idempotency: null },
      ...fields,
    },
  };
}

function append(taskId: string, base: number, fields: Partial<AppendWrite> = {}): { write: AppendWrite } {
  return { write: { kind: 'append', tenantId: 'acme', taskId, token: 1, base, at, events: ['e'], ...fields } };
}

describe('a batch', () => {
  it('merges what a run has written since its task was made into the new task', () => {
    const items = [create('t'), append('t', 2), append('t', 3, { inputs: 1 })];
    const { newTasks, groups } = grouped(items);
    expect(newTasks).toEqual([{ create: items[0]!.write, appends: [items[1]!.write, items[2]!.write] }]);
    expect(groups).toEqual([]);
  });

  it.each([
    ['has a gap before it', [create('t'), append('t', 3)]],
    ['is under another token', [create('t'), append('t', 2, { token: 2 })]],
    ['has seen a second message', [create('t'), append('t', 2, { inputs: 2 })]],
    ['has seen a signal', [create('t'), append('t', 2, { signals: 1 })]],
    ['is to a task that nobody holds', [create('t', { leaseOwner: null }), append('t', 2)]],
    ['is of another tenant', [create('t'), append('t', 2, { tenantId: 'other' })]],
  ])('leaves a write to its fence that %s', (_, items) => {
    const { newTasks, groups } = grouped<{ write: CreateWrite | AppendWrite }>(items);
    expect(newTasks).toEqual([{ create: items[0]!.write, appends: [] }]);
    expect(groups.map(({ items: of }) => of)).toEqual([[items[1]]]);
  });

  it('merges the appends of a lease that follow each other, and nothing else', () => {
    const [first, second, gap, stale] = [append('t', 4), append('t', 5), append('t', 9), append('t', 6, { token: 0 })];
    const { groups } = grouped([first, stale, second, gap]);
    expect(groups.map(({ items }) => items)).toEqual([[stale], [first, second], [gap]]);
  });

  it('has its groups in the order of tenants and tasks, however they came', () => {
    const items = ['b', 'c', 'a'].map((task) => append(task, 1));
    const { groups } = grouped([append('a', 1, { tenantId: 'zeta' }), ...items]);
    expect(groups.map(({ writes: [write] }) => `${write!.tenantId} ${write!.taskId}`)).toEqual([
      'acme a',
      'acme b',
      'acme c',
      'zeta a',
    ]);
  });

  it('takes no more writes than one statement may have, nor more text, but always one', () => {
    const long = append('t', 1, { events: ['x'.repeat(5_000_000)] });
    expect(batchSize(Array.from({ length: 1_000 }, () => append('t', 1)))).toBe(256);
    expect(batchSize([long, long, long])).toBe(2);
    expect(batchSize([append('t', 1, { snapshot: 'x'.repeat(9_000_000) }), long])).toBe(1);
    expect(batchSize([])).toBe(0);
  });
});
