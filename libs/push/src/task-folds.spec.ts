import { describe, expect, it, vi } from 'vitest';
import { type Task, TaskSchema, TaskState, toJsonObject } from '#protocol';
import { type Store } from '#store';
import { TaskFolds } from './task-folds.js';

const key = { tenantId: 'acme', taskId: '0199e1a2-0000-7000-8000-000000000001' };
const status = (state: string) => ({ state: `TASK_STATE_${state}`, timestamp: '2026-01-01T00:00:00.000Z' });
const chunk = (text: string) => ({
  artifactUpdate: {
    taskId: key.taskId,
    contextId: 'c',
    append: true,
    artifact: { artifactId: 'a', parts: [{ text }] },
  },
});
const LOG = [
  {
    task: {
      id: key.taskId,
      contextId: 'c',
      status: status('SUBMITTED'),
      metadata: { createdAt: 'x', lastModified: 'x' },
    },
  },
  { statusUpdate: { taskId: key.taskId, contextId: 'c', status: status('WORKING') } },
  ...Array.from({ length: 300 }, (_, index) => chunk(`${index} `)),
  { statusUpdate: { taskId: key.taskId, contextId: 'c', status: status('COMPLETED') } },
].map((event, index) => ({ sequence: index + 1, event: JSON.stringify(event) }));

function log() {
  const eventsAfter = vi.fn(async (_db: unknown, _key: unknown, after: number, limit: number) =>
    LOG.slice(after, after + limit),
  );
  return { eventsAfter, store: { db: {}, log: { eventsAfter } } as unknown as Store };
}

const at = (sequence: number, configUid = 'one') => ({ ...key, configUid, sequence });
const json = (task: Task) => JSON.stringify(toJsonObject(TaskSchema, task));
const textOf = (task: Task) =>
  task.artifacts
    .flatMap(({ parts }) => parts.map(({ content }) => (content.case === 'text' ? content.value : '')))
    .join('');

describe('a task at one of its events', () => {
  it('has what came up to that event and nothing after it', async () => {
    const folds = new TaskFolds(log().store, 1_000_000);
    expect(await folds.read(at(1), (task) => task.status?.state)).toBe(TaskState.SUBMITTED);
    expect(await folds.read(at(2), (task) => [task.status?.state, task.artifacts])).toEqual([TaskState.WORKING, []]);
    expect(await folds.read(at(5), textOf)).toBe('0 1 2 ');
    const last = await folds.read(at(LOG.length), (task) => toJsonObject(TaskSchema, task));
    expect(last.status?.state).toBe('TASK_STATE_COMPLETED');
    expect(last.artifacts?.[0]?.parts).toHaveLength(300);
    expect(last.metadata).toEqual({ createdAt: 'x' });
  });

  it('is the same at each look, in whatever order they come, and for however many at once', async () => {
    const once = new Map<number, string>();
    for (let sequence = 1; sequence <= LOG.length; sequence += 37) {
      once.set(sequence, await new TaskFolds(log().store, 1_000).read(at(sequence), json));
    }
    const folds = new TaskFolds(log().store, 1_000);
    const looks = [...once.keys(), ...[...once.keys()].reverse(), ...once.keys()];
    const seen = await Promise.all(looks.map((sequence) => folds.read(at(sequence), json)));
    expect(seen).toEqual(looks.map((sequence) => once.get(sequence)));
  });

  it('is read once from the log by a config that takes its events one after the other', async () => {
    const { store, eventsAfter } = log();
    const folds = new TaskFolds(store, 1_000_000);
    for (let sequence = 1; sequence <= LOG.length; sequence += 1) await folds.read(at(sequence), json);
    const read = eventsAfter.mock.calls.reduce((sum, [, , , limit]) => sum + limit, 0);
    expect(read).toBe(LOG.length);
  });

  it('is shown without its artifacts once they are too large', async () => {
    const folds = new TaskFolds(log().store, LOG[2]!.event.length * 3);
    expect(await folds.read(at(5), textOf)).toBe('0 1 2 ');
    expect(await folds.read(at(6), textOf)).toBe('');
    expect(await folds.read(at(LOG.length), ({ status, artifacts }) => [status?.state, artifacts])).toEqual([
      TaskState.COMPLETED,
      [],
    ]);
  });

  it('of a log that ends too early is an error', async () => {
    const folds = new TaskFolds(log().store, 1_000);
    await expect(folds.read(at(LOG.length + 1), json)).rejects.toThrow('ends before event');
  });
});
