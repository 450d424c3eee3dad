import { describe, expect, it } from 'vitest';
import { A2AError } from '#protocol';
import { HttpJsonClient } from '../support/http-json.js';
import { useScriptedServer } from '../support/scripted-operations.js';
import { scriptedAgent, startScriptedServer } from '../support/scripted-server.js';

const { server, calls } = await useScriptedServer();
const client = new HttpJsonClient(server.url);

const message = { messageId: 'm-1', role: 'ROLE_USER', parts: [{ text: 'hello' }] };

describe('the version', () => {
  it.each([
    ['POST', '/message:send'],
    ['POST', '/message:stream'],
    ['GET', '/tasks/t-1'],
    ['GET', '/tasks'],
    ['POST', '/tasks/t-1:cancel'],
    ['POST', '/tasks/t-1:subscribe'],
    ['GET', '/tasks/t-1:subscribe'],
    ['POST', '/tasks/t-1/subscribe'],
    ['GET', '/tasks/t-1/subscribe'],
    ['POST', '/tasks/t-1/pushNotificationConfigs'],
    ['GET', '/tasks/t-1/pushNotificationConfigs'],
    ['GET', '/tasks/t-1/pushNotificationConfigs/p-1'],
    ['DELETE', '/tasks/t-1/pushNotificationConfigs/p-1'],
    ['GET', '/extendedAgentCard'],
  ] as const)('is required by %s %s, whatever else is wrong', async (method, path) => {
    for (const [version, requestedVersion] of [
      [undefined, '0.3'],
      ['', '0.3'],
      ['0.3', '0.3'],
      ['99.0', '99.0'],
      ['one', 'one'],
    ]) {
      const { status, json } = await client.request(method, path, { headers: { 'a2a-version': version } });
      expect(status).toBe(400);
      expect(json.error).toMatchObject({ code: 400, status: 'FAILED_PRECONDITION' });
      expect(json.error.details[0]).toMatchObject({
        reason: 'VERSION_NOT_SUPPORTED',
        domain: 'a2a-protocol.org',
        metadata: { requestedVersion, supportedVersions: '1.0' },
      });
      expect(calls).toEqual([]);
    }
  });

  it.each([
    ['1.0.7', ''],
    [undefined, '?A2A-Version=1.0'],
    ['', '?historyLength=1&A2A-Version=1.0'],
    ['1.0', '?A2A-Version=0.3'],
  ])('is served for the header %j and the query %j', async (version, query) => {
    const answer = await client.request('GET', `/tasks/t-1${query}`, { headers: { 'a2a-version': version } });
    expect(answer.status).toBe(200);
  });
});

describe('service parameters', () => {
  const uri = 'https://perdure.dev/extensions/timestamps/v1';

  it('reach the operation, and activated extensions are told', async () => {
    const headers = { 'a2a-extensions': `${uri}, https://other.example/`, 'idempotency-key': 'k-1' };
    const answer = await client.request('POST', '/message:send', { body: { message }, headers });
    expect(calls[0]?.context).toMatchObject({ extensions: [uri], idempotencyKey: 'k-1' });
    expect(answer.headers['a2a-extensions']).toBe(uri);
  });

  it('that are malformed are refused by name', async () => {
    const headers = { 'idempotency-key': 'x'.repeat(256) };
    const { status, json } = await client.request('POST', '/message:send', { body: { message }, headers });
    expect(status).toBe(400);
    expect(json.error.details[0].fieldViolations[0].field).toBe('Idempotency-Key');
  });

  it('must name the extensions that an agent requires', async () => {
    const extensions = [{ uri: 'https://needed.example/', required: true }];
    const card = { name: 'S', description: 'Strict', version: '1', skills: [], capabilities: { extensions } };
    const strict = await startScriptedServer({}, [scriptedAgent('strict', { default: true, card })]);
    const { status, json } = await new HttpJsonClient(strict.url).request('GET', '/tasks');
    await strict.close();
    expect(status).toBe(400);
    expect(json.error).toMatchObject({
      status: 'FAILED_PRECONDITION',
      details: [{ reason: 'EXTENSION_SUPPORT_REQUIRED', metadata: { extensions: 'https://needed.example/' } }],
    });
  });
});

describe('an error', () => {
  it.each([
    ['TASK_NOT_FOUND', 404, 'NOT_FOUND'],
    ['TASK_NOT_CANCELABLE', 400, 'FAILED_PRECONDITION'],
    ['PUSH_NOTIFICATION_NOT_SUPPORTED', 400, 'FAILED_PRECONDITION'],
    ['UNSUPPORTED_OPERATION', 400, 'FAILED_PRECONDITION'],
    ['CONTENT_TYPE_NOT_SUPPORTED', 400, 'INVALID_ARGUMENT'],
    ['INVALID_AGENT_RESPONSE', 500, 'INTERNAL'],
    ['EXTENDED_AGENT_CARD_NOT_CONFIGURED', 400, 'FAILED_PRECONDITION'],
    ['EXTENSION_SUPPORT_REQUIRED', 400, 'FAILED_PRECONDITION'],
    ['VERSION_NOT_SUPPORTED', 400, 'FAILED_PRECONDITION'],
  ] as const)('%s has status %i and says %s, with its reason', async (reason, status, name) => {
    server.script.getTask = () => Promise.reject(new A2AError(reason, { message: 'No', metadata: { taskId: 't-1' } }));
    const answer = await client.request('GET', '/tasks/t-1');

    expect(answer.status).toBe(status);
    const info = { '@type': 'type.googleapis.com/google.rpc.ErrorInfo', reason, domain: 'a2a-protocol.org' };
    const details = [{ ...info, metadata: { taskId: 't-1' } }];
    expect(answer.json).toEqual({ error: { code: status, status: name, message: 'No', details } });
  });

  it.each([
    ['RESOURCE_EXHAUSTED', 429, 'RESOURCE_EXHAUSTED', undefined, '1'],
    ['RESOURCE_EXHAUSTED', 429, 'RESOURCE_EXHAUSTED', 2_500, '3'],
    ['UNAVAILABLE', 503, 'UNAVAILABLE', 1_000, '1'],
    ['METHOD_NOT_FOUND', 404, 'UNIMPLEMENTED', undefined, undefined],
  ] as const)(
    '%s has status %i, name %s and, with a retry in %s ms, Retry-After %s',
    async (reason, status, name, retryAfterMs, wait) => {
      server.script.getTask = () => Promise.reject(new A2AError(reason, { retryAfterMs }));
      const answer = await client.request('GET', '/tasks/t-1');

      expect(answer.status).toBe(status);
      expect(answer.json.error).toMatchObject({ code: status, status: name });
      expect(answer.headers['retry-after']).toBe(wait);
      const retry = answer.json.error.details?.find((detail: object) => 'retryDelay' in detail)?.retryDelay;
      expect(retry).toBe(retryAfterMs === undefined ? undefined : `${retryAfterMs / 1_000}s`.replace('2.5s', '2.500s'));
    },
  );

  it('that nobody foresaw says nothing but an id, under which the log has it', async () => {
    server.script.getTask = () => Promise.reject(new Error('swordfish'));
    const { status, text, json } = await client.request('GET', '/tasks/t-1');

    expect(status).toBe(500);
    expect(text).not.toContain('swordfish');
    expect(json.error).toMatchObject({ code: 500, status: 'INTERNAL', message: 'Internal error' });
    const { errorId } = json.error.details[0].metadata;
    expect(server.log).toMatchObject([
      { errorId, binding: 'HTTP+JSON', method: 'GetTask', tenant: 'default', agent: 'echo' },
    ]);
  });
});
