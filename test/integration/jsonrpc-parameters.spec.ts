import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { scriptAllOperations, useScriptedServer } from '../support/scripted-operations.js';
import { scriptedAgent, type ScriptedServer, startScriptedServer } from '../support/scripted-server.js';

const { server, calls } = await useScriptedServer();

const getTask = { jsonrpc: '2.0', id: 1, method: 'GetTask', params: { id: 't-1' } };
const message = { messageId: 'm', role: 'ROLE_USER', parts: [{ text: 'hello' }] };

describe('the version', () => {
  it.each([
    [{ 'a2a-version': '1.0' }, '/'],
    [{ 'a2a-version': '1.0.7' }, '/'],
    [{ 'a2a-version': undefined }, '/?A2A-Version=1.0'],
    [{ 'a2a-version': '' }, '/?A2A-Version=1.0.1'],
    [{ 'a2a-version': '1.0' }, '/agents/other?A2A-Version=9.9'],
  ])('is served for %j at %s', async (headers, path) => {
    expect((await server.post(getTask, { headers, path })).body.result).toBeDefined();
  });

  it.each([
    [{ 'a2a-version': '99.0' }, '/', '99.0'],
    [{ 'a2a-version': '1.1' }, '/', '1.1'],
    [{ 'a2a-version': '1.0, 1.0' }, '/', '1.0, 1.0'],
    [{ 'a2a-version': '0.2' }, '/', '0.2'],
    [{ 'a2a-version': undefined }, '/?A2A-Version=1.0&A2A-Version=2.0', '1.0, 2.0'],
  ])('is refused for %j at %s', async (headers, path, requestedVersion) => {
    const { status, body } = await server.post(getTask, { headers, path });
    expect(status).toBe(200);
    expect(body.error.code).toBe(-32009);
    expect(body.error.data[0]).toMatchObject({ reason: 'VERSION_NOT_SUPPORTED', metadata: { requestedVersion } });
    expect(calls).toEqual([]);
  });
});

describe('extensions', () => {
  const needed = 'https://example.com/needed/v1';
  const known = 'https://example.com/known/v1';
  let strict: ScriptedServer;

  beforeAll(async () => {
    const extensions = [{ uri: needed, required: true }, { uri: known }];
    const card = { name: 'Strict', description: 'd', version: '1', skills: [], capabilities: { extensions } };
    strict = await startScriptedServer({}, [scriptedAgent('strict', { card })]);
    scriptAllOperations(strict, calls);
  });
  afterAll(() => strict.close());

  it('are activated where agent and client name them, and echoed; others are ignored', async () => {
    const headers = { 'a2a-extensions': `${known} ,https://example.com/unknown, ${needed},` };
    const answer = await strict.post(getTask, { headers });
    expect(answer.body.result).toBeDefined();
    expect(answer.headers['a2a-extensions']).toBe(`${needed}, ${known}`);
    expect(calls.at(-1)?.context.extensions).toEqual([needed, known]);
  });

  it('are demanded where the card requires them', async () => {
    const { body, headers } = await strict.post(getTask, { headers: { 'a2a-extensions': known } });
    expect(body.error.code).toBe(-32008);
    expect(body.error.data[0]).toMatchObject({
      reason: 'EXTENSION_SUPPORT_REQUIRED',
      metadata: { extensions: needed },
    });
    expect(headers['a2a-extensions']).toBeUndefined();
    expect(calls).toEqual([]);
  });

  it('leave no header behind where none is activated', async () => {
    const answer = await server.post(getTask, { headers: { 'a2a-extensions': 'https://example.com/unknown' } });
    expect(answer.headers['a2a-extensions']).toBeUndefined();
    expect(calls.at(-1)?.context.extensions).toEqual([]);
  });
});

describe('the idempotency key', () => {
  const send = (header: string | undefined, metadata?: object) =>
    server.post(
      { jsonrpc: '2.0', id: 1, method: 'SendMessage', params: { message, metadata } },
      { headers: { 'idempotency-key': header } },
    );

  it.each([
    ['a-key', undefined],
    [undefined, { 'idempotency-key': 'a-key' }],
    [undefined, { 'Idempotency-Key': 'a-key', other: 1 }],
    ['a-key', { 'IDEMPOTENCY-KEY': 'a-key' }],
  ])('comes from header %j and metadata %j', async (header, metadata) => {
    await send(header, metadata);
    expect(calls.at(-1)?.context.idempotencyKey).toBe('a-key');
  });

  it('is absent where nobody gives one', async () => {
    await send(undefined, { other: 'x' });
    expect(calls.at(-1)?.context.idempotencyKey).toBeUndefined();
  });

  it.each([
    ['', undefined, 'Idempotency-Key'],
    ['x'.repeat(256), undefined, 'Idempotency-Key'],
    ['schlüssel', undefined, 'Idempotency-Key'],
    ['one', { 'idempotency-key': 'two' }, 'Idempotency-Key'],
    [undefined, { 'idempotency-key': 5 }, 'metadata["idempotency-key"]'],
    [undefined, { 'Idempotency-Key': 'a\nb' }, 'metadata["Idempotency-Key"]'],
    [undefined, { 'Idempotency-Key': 'a', 'idempotency-key': 'b' }, 'Idempotency-Key'],
  ])('is refused as header %j with metadata %j', async (header, metadata, field) => {
    const { body } = await send(header, metadata);
    expect(body.error.code).toBe(-32602);
    expect(body.error.data[0].fieldViolations[0].field).toBe(field);
    expect(calls).toEqual([]);
  });
});
