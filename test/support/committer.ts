import type pg from 'pg';
import { v7 as uuidv7 } from 'uuid';
import { afterEach } from 'vitest';
import { createLogger } from '#platform';
import { type AppendWrite, type CreateWrite, GroupCommitter } from '#store';

/** Application name of a committer's connection. */
export const COMMITTER = 'perdure committer';

const LEASE_MS = 60_000;
const WORKING = 2;

/** Starts committers for the tests of a spec file, and stops each after its test. */
export function useCommitters(): (url: string, options?: { answerTimeoutMs?: number }) => Promise<GroupCommitter> {
  const committers: GroupCommitter[] = [];
  afterEach(async () => {
    await Promise.all(committers.splice(0).map((committer) => committer.stop()));
  });
  return async (url, { answerTimeoutMs } = {}) => {
    const logger = createLogger({ logLevel: 'silent', logFormat: 'json' });
    const committer = new GroupCommitter(url, LEASE_MS, logger, answerTimeoutMs);
    await committer.start();
    committers.push(committer);
    return committer;
  };
}

/** The committer's own connection to the database. */
export function sessionOf(committer: GroupCommitter): pg.Client {
  return (committer as unknown as { connection: { session: pg.Client } }).connection.session;
}

/** A new task, held under token 1 unless its `leaseOwner` is null. */
export function creation(fields: Partial<CreateWrite> = {}): CreateWrite {
  const at = new Date();
  const taskId = uuidv7();
  const status = JSON.stringify({ state: 'TASK_STATE_SUBMITTED', timestamp: at.toISOString() });
  return {
    ...{ kind: 'create', tenantId: 'acme', taskId, agent: 'a', contextId: 'c', owner: 'alice', state: 1, status, at },
    events: [JSON.stringify({ task: { id: fields.taskId ?? taskId, status: JSON.parse(status) as object } })],
    ...{ message: '{}', request: null, startAt: null, deadline: null, leaseOwner: 'worker', idempotency: null },
    ...{ agentVersion: '1.0.0', priority: 1 },
    ...fields,
  };
}

/** Artifact chunks of a task under token 1, after event 1 unless `base` says more. */
export function append(task: CreateWrite, texts: string[], fields: Partial<AppendWrite> = {}): AppendWrite {
  const { tenantId, taskId } = task;
  const events = texts.map((text) => JSON.stringify({ artifactUpdate: { artifact: { parts: [{ text }] } } }));
  return { kind: 'append', tenantId, taskId, token: 1, base: 1, at: new Date(), events, ...fields };
}

/** An append that leads the task to a state; it ends the run. */
export function settlement(
  task: CreateWrite,
  state: string,
  number: number,
  fields: Partial<AppendWrite> = {},
): AppendWrite {
  const at = new Date();
  const status = { state: `TASK_STATE_${state}`, timestamp: at.toISOString() };
  const events = [JSON.stringify({ statusUpdate: { status } })];
  const release = number !== WORKING;
  return append(task, [], { at, events, release, status: { state: number, text: JSON.stringify(status) }, ...fields });
}
