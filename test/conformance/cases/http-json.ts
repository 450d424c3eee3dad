import { type JsonObject } from '@bufbuild/protobuf';
import { expect } from 'vitest';
import { request as httpRequest } from 'undici';
import { send, sending } from '../../equivalence/row.js';
import { type ConformanceCase, rest, UNKNOWN_ID } from '../case.js';

const OVER = ['HTTP+JSON'] as const;

/** Every route of specification section 11.3, and SubscribeToTask by GET as the proto has it; each is refused below its own name. */
const ROUTES = [
  ['POST', '/message:send', 'INVALID_ARGUMENT'],
  ['POST', '/message:stream', 'INVALID_ARGUMENT'],
  ['GET', `/tasks/${UNKNOWN_ID}`, 'TASK_NOT_FOUND'],
  ['GET', '/tasks?pageSize=0', 'INVALID_ARGUMENT'],
  ['POST', `/tasks/${UNKNOWN_ID}:cancel`, 'TASK_NOT_FOUND'],
  ['POST', `/tasks/${UNKNOWN_ID}:subscribe`, 'TASK_NOT_FOUND'],
  ['GET', `/tasks/${UNKNOWN_ID}:subscribe`, 'TASK_NOT_FOUND'],
  ['POST', '/tasks/t/pushNotificationConfigs', 'TASK_NOT_FOUND'],
  ['GET', '/tasks/t/pushNotificationConfigs/c', 'TASK_NOT_FOUND'],
  ['GET', '/tasks/t/pushNotificationConfigs', 'TASK_NOT_FOUND'],
  ['DELETE', '/tasks/t/pushNotificationConfigs/c', 'TASK_NOT_FOUND'],
  ['GET', '/extendedAgentCard', 'UNSUPPORTED_OPERATION'],
] as const;

/** What only HTTP+JSON has: its URLs, its query, its statuses and its types. */
export const HTTP_JSON: readonly ConformanceCase[] = [
  {
    name: 'every operation has its URL and its verb, for the agent, below its name and below a tenant',
    requirements: ['HTTP_JSON-URL-001', 'HTTP_JSON-URL-002', 'BIND-EQUIV-001'],
    over: OVER,
    run: async ({ url }) => {
      for (const base of ['', '/agents/conformance', '/acme', '/agents/conformance/acme']) {
        for (const [verb, path, told] of ROUTES) {
          const body: JsonObject = path.endsWith('pushNotificationConfigs') ? { url: 'https://example.com' } : {};
          const { json } = await rest(url, [verb, base + path], { body: verb === 'POST' ? body : undefined });
          const reason = json.error.details[0].reason ?? json.error.status;
          expect({ verb, path, reason }).toEqual({ verb, path, reason: told });
        }
      }
    },
  },
  {
    name: 'other URLs are not found and other verbs not allowed, in JSON too',
    requirements: ['HTTP_JSON-URL-001', 'HTTP_JSON-URL-002', 'HTTP_JSON-ERR-001'],
    over: OVER,
    run: async ({ url }) => {
      const nowhere = await rest(url, ['GET', `/tasks/${UNKNOWN_ID}/nothing/here`]);
      expect(nowhere).toMatchObject({ status: 404, json: { error: { code: 404, status: 'NOT_FOUND' } } });
      const wrong = await rest(url, ['DELETE', '/message:send']);
      expect(wrong).toMatchObject({ status: 405, json: { error: { code: 405 } } });
    },
  },
  {
    name: 'successes have status 200 and the object itself',
    requirements: ['HTTP_JSON-STATUS-001', 'HTTP_JSON-SVC-001'],
    over: OVER,
    run: async ({ url }) => {
      const sent = await rest(url, ['POST', '/message:send'], { body: sending('tck-complete-task') });
      expect(sent).toMatchObject({ status: 200, json: { task: { status: { state: 'TASK_STATE_COMPLETED' } } } });
      const got = await rest(url, ['GET', `/tasks/${sent.json.task.id}`]);
      expect(got.status).toBe(200);
      expect(got.json).toEqual(sent.json.task);
    },
  },
  {
    name: 'the type is A2A’s own where the client takes it, else plain JSON, for errors too',
    requirements: ['HTTP_JSON-SVC-001', 'HTTP_JSON-ERR-001', 'ACTS REST-CT-001'],
    over: OVER,
    run: async ({ url }) => {
      const types = [
        ['application/a2a+json', 'application/a2a+json'],
        ['application/a2a+json, application/json', 'application/a2a+json'],
        ['application/json', 'application/json'],
        ['*/*', 'application/json'],
      ] as const;
      for (const [accept, type] of types) {
        for (const path of ['/tasks?contextId=none', `/tasks/${UNKNOWN_ID}`]) {
          const { headers } = await rest(url, ['GET', path], { headers: { accept } });
          expect(String(headers['content-type']).split(';')[0]).toBe(type);
        }
      }
      for (const type of ['application/a2a+json', 'application/json']) {
        const { status } = await rest(url, ['POST', '/message:send'], {
          body: sending('tck-complete-task'),
          headers: { 'content-type': type },
        });
        expect(status).toBe(200);
      }
    },
  },
  {
    name: 'query parameters are in camel case, and wrong ones are named',
    requirements: ['HTTP_JSON-QP-001'],
    over: OVER,
    run: async ({ url, client }) => {
      const contextId = 'a context & its signs = ?';
      await send(client, { contextId, parts: [{ text: 'tck-artifact-text' }] });
      await send(client, { contextId, parts: [{ text: 'tck-input-required' }] });
      const query = new URLSearchParams({
        contextId,
        status: 'TASK_STATE_COMPLETED',
        pageSize: '5',
        includeArtifacts: 'true',
        historyLength: '0',
      });
      const { json } = await rest(url, ['GET', `/tasks?${query.toString()}`]);
      expect(json).toMatchObject({ totalSize: 1, pageSize: 5, tasks: [{ contextId, artifacts: [{}] }] });
      expect(json.tasks[0]).not.toHaveProperty('history');
      for (const [name, value] of [
        ['pageSize', 'many'],
        ['status', 'done'],
        ['includeArtifacts', 'maybe'],
        ['statusTimestampAfter', 'now'],
      ]) {
        const refused = await rest(url, ['GET', `/tasks?${name}=${value}`]);
        expect(refused).toMatchObject({
          status: 400,
          json: { error: { details: [{ fieldViolations: [{ field: name }] }] } },
        });
      }
    },
  },
  {
    name: 'errors are google.rpc.Status below `error`, their code the HTTP status',
    requirements: ['HTTP_JSON-ERR-001', 'HTTP_JSON-ERR-002', 'ACTS REST-PD-001'],
    over: OVER,
    run: async ({ url }) => {
      const { status, json } = await rest(url, ['GET', `/tasks/${UNKNOWN_ID}`]);
      expect(status).toBe(404);
      expect(json).toEqual({
        error: {
          code: 404,
          status: 'NOT_FOUND',
          message: 'Task not found',
          details: [
            {
              '@type': 'type.googleapis.com/google.rpc.ErrorInfo',
              reason: 'TASK_NOT_FOUND',
              domain: 'a2a-protocol.org',
              metadata: { taskId: UNKNOWN_ID },
            },
          ],
        },
      });
    },
  },
  {
    name: 'a body in a type that is no JSON has HTTP’s own status, one that is broken is refused',
    requirements: ['HTTP_JSON-STATUS-001'],
    over: OVER,
    run: async ({ url }) => {
      const text = { body: 'Hello', headers: { 'content-type': 'text/plain' } };
      const wrong = await rest(url, ['POST', '/message:send'], text);
      expect(wrong).toMatchObject({
        status: 415,
        json: { error: { code: 415, details: [{ reason: 'CONTENT_TYPE_NOT_SUPPORTED' }] } },
      });
      expect((await rest(url, ['POST', '/message:send'], { body: '{' })).status).toBe(400);
    },
  },
  {
    name: 'canceling and subscribing need no body, whatever the type says',
    requirements: ['HTTP_JSON-URL-002'],
    over: OVER,
    run: async ({ url, client }) => {
      const { id } = await send(client, 'tck-input-required');
      const headers = { 'content-type': 'application/json', 'content-length': '0' };
      const canceled = await rest(url, ['POST', `/tasks/${id}:cancel`], { headers });
      expect(canceled).toMatchObject({ status: 200, json: { id, status: { state: 'TASK_STATE_CANCELED' } } });
      const ended = await rest(url, ['POST', `/tasks/${id}:subscribe`], { headers });
      expect(ended.json.error.details[0].reason).toBe('UNSUPPORTED_OPERATION');
    },
  },
  {
    name: 'streams are SSE with one StreamResponse a line, numbered',
    requirements: ['HTTP_JSON-SSE-001'],
    over: OVER,
    run: async ({ url }) => {
      const { headers, body } = await httpRequest(`${url}/message:stream`, {
        method: 'POST',
        headers: { 'content-type': 'application/a2a+json', 'a2a-version': '1.0' },
        body: JSON.stringify(sending('tck-stream-001')),
      });
      expect(headers['content-type']).toBe('text/event-stream');
      const lines = (await body.text()).split('\n').filter((line) => line !== '' && !line.startsWith(':'));
      const data = lines
        .filter((line) => line.startsWith('data: '))
        .map((line) => Object.keys(JSON.parse(line.slice(6))));
      expect(data).toEqual([['task'], ['statusUpdate'], ['artifactUpdate'], ['statusUpdate']]);
      expect(lines.filter((line) => line.startsWith('id: '))).toEqual(['id: 1', 'id: 2', 'id: 3', 'id: 4']);
    },
  },
  {
    name: 'a stream that is refused has the status of its error',
    requirements: ['STREAM-SUB-003', 'STREAM-SUB-004'],
    over: OVER,
    run: async ({ url, client }) => {
      const { id } = await send(client, 'tck-complete-task');
      for (const [task, status] of [
        [id, 400],
        [UNKNOWN_ID, 404],
      ] as const) {
        for (const verb of ['GET', 'POST'] as const) {
          expect((await rest(url, [verb, `/tasks/${task}:subscribe`])).status).toBe(status);
        }
      }
    },
  },
];
