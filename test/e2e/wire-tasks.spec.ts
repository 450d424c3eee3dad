import { beforeAll, describe, expect, it } from 'vitest';
import { type ListTasksResponseJson, type TaskJson } from '#protocol';
import { useServers } from '../support/in-process-server.js';
import { envelope, JsonRpcClient, messageOf, type RpcError } from '../support/json-rpc.js';
import { Ledger } from '../support/ledger.js';
import { upTo } from '../support/sse-client.js';
import { temporaryFolder } from '../support/temporary-folder.js';

const folder = temporaryFolder();
const servers = useServers(2);
const UNKNOWN = '01900000-0000-7000-8000-000000000000';

function words({ history = [] }: TaskJson): string[] {
  return history.map(({ parts }) => parts![0]!.text!.split('\n')[0]!);
}

describe('a task of several turns', () => {
  it('has every message of both sides in its history, in order, each once', async () => {
    const client = servers.rpc('trip-booking');
    const said = ['I need a trip', 'nonsense', 'Oslo, 2027-05-01 to 2027-05-02', '1'];
    let task: TaskJson = {};
    for (const text of said) task = await client.send(text, { taskId: task.id });
    const question = 'Where to, and when? Such as: Lisbon, 2027-05-01 to 2027-05-05';
    const choice = 'Which one? Answer with its number, or "cancel".';
    const expected = [said[0], question, said[1], question, said[2], choice, said[3]];
    expect(words(task)).toEqual(expected);
    expect(words(await client.get(task.id!))).toEqual(expected);
    expect(task.history!.map(({ role }) => role)).toEqual(
      expected.map((_, i) => (i % 2 === 0 ? 'ROLE_USER' : 'ROLE_AGENT')),
    );
    for (const message of task.history!) expect(message).toMatchObject({ taskId: task.id, contextId: task.contextId });

    for (const length of [1, 3, 7, 100]) {
      const { history } = await client.call('GetTask', { id: task.id, historyLength: length });
      expect(history).toEqual(task.history!.slice(-length));
    }
    const none = await client.call('GetTask', { id: task.id, historyLength: 0 });
    expect(none).not.toHaveProperty('history');
    const last = await client.send('cancel', { taskId: task.id, configuration: { historyLength: 1 } });
    expect(words(last)).toEqual(['cancel']);
  });

  it('takes a message of its own context only', async () => {
    const client = servers.rpc('trip-booking');
    const { id, contextId } = await client.send('I need a trip', {});
    const wrong = client.send({ ...messageOf('x'), taskId: id, contextId: 'another' });
    await expect(wrong).rejects.toSatisfy((error: RpcError) => error.fields[0] === 'message.contextId');
    const canceled = await client.send({ ...messageOf('cancel'), taskId: id, contextId });
    expect(canceled.status?.state).toBe('TASK_STATE_COMPLETED');
  });
});

describe('times', () => {
  it('are UTC with milliseconds, and say when the task was made and last changed', async () => {
    const before = new Date().toISOString();
    const { status, metadata } = await servers.rpc('echo').send('now');
    const times = [before, metadata!.createdAt, status!.timestamp, metadata!.lastModified, new Date().toISOString()];
    for (const time of times) expect(time).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
    expect([...times].sort()).toEqual(times);
  });
});

describe('a list that is read page by page while its tasks change', () => {
  const TASKS = 40;
  const PAGE = 7;
  let client: JsonRpcClient;
  let made: string[];
  const pages: ListTasksResponseJson[] = [];
  const changed = new Set<string>();

  beforeAll(async () => {
    client = servers.rpc('trip-booking');
    const contextId = crypto.randomUUID();
    const message = () => ({ ...messageOf('I need a trip'), contextId });
    made = [];
    for (let i = 0; i < TASKS; i++) made.push((await client.send(message())).id!);
    for (let pageToken = ''; ;) {
      const page = await client.call('ListTasks', { contextId, pageSize: PAGE, pageToken });
      pages.push(page);
      pageToken = page.nextPageToken!;
      if (pageToken === '') break;
      // One task that was shown, one that was not, and a new one: all of them move to the top.
      const shown = page.tasks![2]!.id!;
      const unseen = made[TASKS - pages.length * PAGE - 3];
      for (const id of [shown, unseen]) {
        if (id === undefined) continue;
        await client.send('cancel', { taskId: id });
        changed.add(id);
      }
      await client.send(message());
    }
  });

  it('shows every task that stays as it is once, and none twice', () => {
    const shown = pages.flatMap(({ tasks }) => tasks!.map(({ id }) => id!));
    expect(new Set(shown).size).toBe(shown.length);
    const still = made.filter((id) => !changed.has(id));
    expect(still.length).toBeGreaterThan(TASKS / 2);
    expect(shown).toEqual(expect.arrayContaining(still));
  });

  it('is in the order of the states, newest first, over all pages', () => {
    const times = pages.flatMap(({ tasks }) => tasks!.map(({ status }) => status!.timestamp!));
    expect([...times].sort().reverse()).toEqual(times);
    expect(pages.slice(0, -1).every(({ tasks }) => tasks!.length === PAGE)).toBe(true);
  });

  it('counts exactly, page by page and state by state', async () => {
    expect(pages.map(({ totalSize }) => totalSize)).toEqual(pages.map((_, i) => TASKS + i));
    const waiting = await client.call('ListTasks', { status: 'TASK_STATE_INPUT_REQUIRED', pageSize: 1 });
    const all = await client.call('ListTasks', { pageSize: 1 });
    const done = await client.call('ListTasks', { status: 'TASK_STATE_COMPLETED', pageSize: 1 });
    expect(waiting.totalSize! + done.totalSize!).toBe(all.totalSize);
  });

  it('refuses the token of another list', async () => {
    const { nextPageToken: pageToken } = await client.call('ListTasks', { pageSize: 1 });
    for (const other of [{ contextId: 'x' }, { status: 'TASK_STATE_FAILED' }, { tenant: 'acme' }]) {
      const refused = client.call('ListTasks', { ...other, pageToken });
      await expect(refused).rejects.toSatisfy((error: RpcError) => error.fields[0] === 'pageToken');
    }
  });
});

describe('an idempotency key', () => {
  const echo = () => servers.rpc('echo');
  const keyed = (key: string) => ({ headers: { 'idempotency-key': key } });

  it('in the header or in the metadata makes the same call give the same task, on any server', async () => {
    const message = messageOf('once');
    const first = await echo().send(message, {}, keyed('both'));
    expect(await echo().send(message, {}, keyed('both'))).toEqual(first);
    expect(await servers.rpc('echo', 1).send(message, {}, keyed('both'))).toEqual(first);
    const params = { metadata: { 'idempotency-key': 'in-metadata' } };
    const second = await echo().send(message, params);
    expect(second.id).not.toBe(first.id);
    expect(await echo().send(message, params)).toEqual(second);
    const streamed = await (await echo().stream(message, {}, keyed('both'))).all();
    expect(streamed.map(({ response }) => response.task)).toEqual([first]);
  });

  it('makes one task of calls that come at the same time', async () => {
    const message = messageOf('race');
    const calls = upTo(20).map((i) => servers.rpc('echo', i % 2).send(message, {}, keyed('race')));
    const tasks = await Promise.all(calls);
    expect(new Set(tasks.map(({ id }) => id)).size).toBe(1);
    for (const { status } of tasks) expect(status?.state).toBe('TASK_STATE_COMPLETED');
  });

  it('is refused with another request, and when it is malformed or given twice', async () => {
    await echo().send(messageOf('one'), {}, keyed('taken'));
    const isRefused = async (call: Promise<unknown>) => {
      await expect(call).rejects.toMatchObject({ code: -32602, fields: ['Idempotency-Key'] });
    };
    await isRefused(echo().send(messageOf('two'), {}, keyed('taken')));
    await isRefused(echo().send('x', {}, keyed('k'.repeat(256))));
    await isRefused(echo().send('x', { metadata: { 'idempotency-key': 'a' } }, keyed('b')));
  });

  it('belongs to one tenant and one agent', async () => {
    const message = messageOf('mine');
    const tasks = [
      await echo().send(message, {}, keyed('shared')),
      await echo().send(message, { tenant: 'acme' }, keyed('shared')),
      await servers.rpc('flaky').send(message, {}, keyed('shared')),
    ];
    expect(new Set(tasks.map(({ id }) => id)).size).toBe(3);
  });

  it('keeps a follow-up from being taken twice, and an answer without a task from changing', async () => {
    const client = servers.rpc('trip-booking');
    const { id } = await client.send('I need a trip');
    const answer = { ...messageOf('nonsense'), taskId: id };
    const first = await client.send(answer, {}, keyed('answer'));
    const again = await client.send(answer, {}, keyed('answer'));
    expect(again.history).toEqual(first.history);

    const greeting = { message: messageOf('Hi') };
    const greet = () => servers.rpc('greeter').call('SendMessage', greeting, keyed('greeting'));
    expect(await greet()).toEqual(await greet());
  });
});

describe('a task', () => {
  it('is reached by every way of naming its tenant and agent, and by no other', async () => {
    const { id } = await servers.rpc('echo').send('mine', { tenant: 'acme' });
    const get = async (path: string, tenant?: string) => {
      const { status, json } = await new JsonRpcClient(servers.url).post(envelope('GetTask', { id, tenant }), { path });
      return { status, id: json.result?.id, code: json.error?.code };
    };
    const ways: [string, string?][] = [
      ['/agents/echo', 'acme'],
      ['/agents/echo/', 'acme/echo'],
      ['/agents/echo/acme'],
      ['/agents/echo/acme/', 'acme'],
      ['/', 'acme'],
      ['/', 'acme/echo'],
      ['/acme'],
      ['/acme%2Fecho'],
      ['/%2Fecho', 'acme'],
    ];
    for (const way of ways) expect({ way, ...(await get(...way)) }).toEqual({ way, status: 200, id, code: undefined });
    const others: [string, string?][] = [['/agents/echo'], ['/'], ['/agents/echo', 'other'], ['/agents/flaky/acme']];
    for (const way of others) expect({ way, ...(await get(...way)) }).toEqual({ way, status: 200, code: -32001 });
    const contradictions: [string, string?][] = [
      ['/agents/echo/acme', 'other'],
      ['/agents/flaky', 'acme/echo'],
      ['/acme%2Fecho', 'acme/flaky'],
    ];
    for (const way of contradictions)
      expect({ way, ...(await get(...way)) }).toEqual({ way, status: 404, code: -32001 });
  });

  it('of another tenant or agent is answered like one that is not there, whatever is asked', async () => {
    const ledger = new Ledger(`${folder}/theirs`);
    const running = servers.rpc('ledger').send(ledger.message(1), { tenant: 'theirs' });
    await ledger.reached(1);
    const theirs = await servers.rpc('ledger').call('ListTasks', { tenant: 'theirs' });
    const { id } = theirs.tasks![0]!;
    const calls: [string, object][] = [
      ['GetTask', { id }],
      ['CancelTask', { id }],
      ['SubscribeToTask', { id }],
      ['SendMessage', { message: { ...messageOf(ledger.message(1)), taskId: id } }],
    ];
    for (const [method, params] of calls) {
      const mine = await servers.rpc('ledger').post(envelope(method, { ...params, tenant: 'mine' }));
      const other = await servers.rpc('burst').post(envelope(method, { ...params, tenant: 'theirs' }));
      const nobody = await servers
        .rpc('ledger')
        .post(envelope(method, JSON.parse(JSON.stringify({ ...params, tenant: 'mine' }).replaceAll(id!, UNKNOWN))));
      expect(nobody.json.error.code).toBe(-32001);
      const expected = { status: nobody.status, text: nobody.text.replaceAll(UNKNOWN, id!) };
      for (const { status, text } of [mine, other]) expect({ status, text }).toEqual(expected);
    }
    const { totalSize } = await servers.rpc('ledger').call('ListTasks', { tenant: 'mine' });
    expect(totalSize).toBe(0);
    ledger.open(1);
    expect(await running).toMatchObject({ id, status: { state: 'TASK_STATE_COMPLETED' } });
  });
});
