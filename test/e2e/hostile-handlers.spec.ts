import { beforeAll, describe, expect, it } from 'vitest';
import { type TaskJson } from '#protocol';
import { TEST_AGENTS } from '../support/agent-folders.js';
import { fetchAnswer } from '../support/json-rpc.js';
import { useDatabase } from '../support/postgres.js';
import { type ServerProcess, useServerProcesses } from '../support/server-process.js';
import { stateOf, type StreamEvent, upTo } from '../support/sse-client.js';

const SECRET = 'secret-of-the-operator';
/** More than a run may have under way, and few enough for its time. */
const MAX_EVENTS = 300;

const database = useDatabase();
const startServer = useServerProcesses();
let server: ServerProcess;
let other: ServerProcess;

beforeAll(async () => {
  // With so long a lease, a run hears of a cancel by the signal alone.
  const env = { PERDURE_MAX_EVENTS: String(MAX_EVENTS), PERDURE_MAX_EVENT: '64kb', PERDURE_LEASE: '60s' };
  const start = () => startServer({ agents: [TEST_AGENTS], databaseUrl: database.url, env });
  server = await start();
  other = await start();
});

/** Everything a client can get to see of a task that is told to misbehave. */
async function seen(deed: string): Promise<{ task: TaskJson; events: StreamEvent[]; text: string }> {
  const client = server.rpc('rogue');
  const stream = await client.stream(deed);
  const events = await stream.all();
  const id = events[0]!.response.task!.id!;
  const task = await client.get(id);
  const log = await (await client.subscribe(id, 0)).all();
  const list = await client.call('ListTasks', { contextId: task.contextId, includeArtifacts: true });
  return { task, events, text: JSON.stringify([events, task, log, list]) };
}

describe('a handler that', () => {
  it.each([
    ['throw', 'error'],
    ['throw in a step', 'error'],
    ['throw no error', 'error'],
    ['hang', 'timeout'],
    ['emit nonsense', 'error'],
    ['emit two contents', 'error'],
    ['return nonsense', 'error'],
    ['emit too much at once', 'limit'],
    ['flood', 'limit'],
    ['flood without waiting', 'timeout'],
  ])('is told to %s ends its task as FAILED; the client has an error id, the log the rest', async (deed, reason) => {
    const { task, events, text } = await seen(deed);
    expect(events.map(({ id }) => id)).toEqual(upTo(events.length));
    expect(stateOf(events.at(-1)!)).toBe('TASK_STATE_FAILED');
    expect(task.status).toMatchObject({
      state: 'TASK_STATE_FAILED',
      message: { role: 'ROLE_AGENT', metadata: expect.objectContaining({ reason, errorId: expect.any(String) }) },
    });
    expect(text).not.toContain(SECRET);
    expect(text).not.toMatch(/\.agent\.ts|node_modules/);

    const { errorId } = task.status!.message!.metadata!;
    const line = await server.logged('run.failed', (logged) => logged.errorId === errorId);
    expect(line).toMatchObject({ level: 'error', tenant: 'default', agent: 'rogue', task: task.id, final: true });
    expect(line.err).toBeDefined();
  });

  it('throws shows its error to the operator', async () => {
    const { task } = await seen('throw');
    const line = await server.logged('run.failed', (logged) => logged.task === task.id);
    expect(line.err).toMatchObject({ message: `cannot log in with ${SECRET}` });
  });

  it('floods its task is stopped at the bound on events, and the task has its end within it', async () => {
    const { events } = await seen('flood');
    expect(events).toHaveLength(MAX_EVENTS);
  });

  it('returns without waiting for what it has begun completes with what is ready, and harms nobody', async () => {
    const { task, events } = await seen('wait for nothing');
    expect(task.status?.state).toBe('TASK_STATE_COMPLETED');
    expect(events.map(({ id }) => id)).toEqual(upTo(events.length));
    expect(stateOf(events.at(-1)!)).toBe('TASK_STATE_COMPLETED');
  });

  it.each([
    ['fail', 'process.unhandled_rejection'],
    ['throw', 'process.uncaught_exception'],
  ])('is told to %s behind its own back does not take the server down, and the log names it', async (deed, event) => {
    const { task, text } = await seen(`${deed} behind its back`);
    expect(task.status?.state).toBe('TASK_STATE_COMPLETED');
    expect(text).not.toContain(SECRET);
    const line = await server.logged(event);
    expect(line).toMatchObject({ level: 'error', agent: 'rogue', err: { message: SECRET } });
    expect(await fetchAnswer(`${server.url}/health/ready`)).toMatchObject({ status: 200 });
  });

  it('goes on after a cancel, even one at another server, changes nothing of the canceled task', async () => {
    const client = server.rpc('rogue');
    const stream = await client.stream('return after cancel');
    await stream.until(({ response }) => response.artifactUpdate !== undefined);
    const id = stream.events[0]!.response.task!.id!;
    const canceled = await other.rpc('rogue').call('CancelTask', { id });
    const stopped = await server.logged('run.stopped', ({ task }) => task === id);
    expect(stopped).toMatchObject({ reason: 'the lease is lost' });
    expect(await client.get(id)).toEqual(canceled);
    expect(canceled.artifacts).toMatchObject([{ parts: [{ text: 'before' }] }]);
    expect(stateOf((await stream.all()).at(-1)!)).toBe('TASK_STATE_CANCELED');
    expect((await (await client.subscribe(id, 0)).all()).length).toBe(stream.events.length);
  });
});
