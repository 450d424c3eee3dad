import { expect } from 'vitest';
import { request as httpRequest } from 'undici';
import { A2AService } from '#protocol';
import { send, sending } from '../../equivalence/row.js';
import { type ConformanceCase, postRpc, rpc, UNKNOWN_ID } from '../case.js';

const OVER = ['JSONRPC'] as const;

/** What only JSON-RPC has: its envelope, its codes, its streams on the wire. */
export const JSON_RPC: readonly ConformanceCase[] = [
  {
    name: 'answers are JSON-RPC 2.0 responses of type application/json, with the id of the request as it was',
    requirements: ['JSONRPC-FMT-001', 'JSONRPC-FMT-002'],
    over: OVER,
    run: async ({ url }) => {
      for (const id of [1, 'one', 0, '']) {
        const answer = await postRpc(url, rpc('SendMessage', sending('tck-complete-task'), id));
        expect(answer.headers['content-type']).toMatch(/^application\/json/);
        expect(answer.json).toEqual({ jsonrpc: '2.0', id, result: { task: expect.anything() } });
      }
    },
  },
  {
    name: 'the endpoint takes a trailing slash, and snake_case params',
    requirements: ['JSONRPC-FMT-001'],
    over: OVER,
    run: async ({ url, client }) => {
      const { id, contextId } = await send(client, 'tck-multi-turn');
      for (const endpoint of [`${url}/agents/conformance`, `${url}/agents/conformance/`]) {
        const got = await postRpc(endpoint, rpc('GetTask', { id, history_length: 1 }));
        expect(got.json.result).toMatchObject({ id, history: [{}] });
        const listed = await postRpc(endpoint, rpc('ListTasks', { context_id: contextId, page_size: 1 }));
        expect(listed.json.result).toMatchObject({ pageSize: 1, totalSize: 1 });
      }
    },
  },
  {
    name: 'methods have the names of the proto, all of them, and no others',
    requirements: ['JSONRPC-SVC-001', 'BIND-EQUIV-001', 'CORE-ERR-001'],
    over: OVER,
    run: async ({ url }) => {
      for (const { name } of A2AService.methods) {
        const { json } = await postRpc(url, rpc(name, {}));
        expect(json.error?.code).not.toBe(-32601);
      }
      for (const name of ['NonExistentMethod', 'sendMessage', 'SEND_MESSAGE', 'constructor']) {
        const { json } = await postRpc(url, rpc(name));
        expect(json).toMatchObject({
          jsonrpc: '2.0',
          id: 1,
          error: { code: -32601, message: expect.stringMatching(/./) },
        });
      }
    },
  },
  {
    name: 'errors have code, message and data and nothing else; data is a list of typed objects',
    requirements: ['JSONRPC-ERR-001', 'JSONRPC-ERR-002', 'JSONRPC-ERR-003', 'ACTS JSONRPC-ERR-003'],
    over: OVER,
    run: async ({ url }) => {
      const { status, json } = await postRpc(url, rpc('GetTask', { id: UNKNOWN_ID }));
      expect(status).toBe(200);
      expect(json).toEqual({
        jsonrpc: '2.0',
        id: 1,
        error: {
          code: -32001,
          message: 'Task not found',
          data: [
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
    name: 'what is no JSON-RPC request has the code that JSON-RPC gives it, with the id null where there is none',
    requirements: ['JSONRPC-ERR-001', 'JSONRPC-ERR-002', 'CORE-ERR-002'],
    over: OVER,
    run: async ({ url }) => {
      const refused: [unknown, number][] = [
        ['{', -32700],
        [[rpc('ListTasks')], -32600],
        [{ ...rpc('ListTasks'), jsonrpc: '1.0' }, -32600],
        [{ ...rpc('ListTasks'), id: 1.5 }, -32600],
        [{ jsonrpc: '2.0', id: 1 }, -32600],
        [rpc('SendMessage'), -32602],
        [{ ...rpc('ListTasks'), params: [] }, -32602],
      ];
      for (const [body, code] of refused) {
        const { json } = await postRpc(url, body);
        expect(json).toMatchObject({ jsonrpc: '2.0', error: { code } });
        expect(json).toHaveProperty('id');
      }
    },
  },
  {
    name: 'a body that is not JSON by its content type is ContentTypeNotSupported before it is read',
    requirements: ['JSONRPC-SSE-002', 'JSONRPC-FMT-002'],
    over: OVER,
    run: async ({ url }) => {
      const { json } = await postRpc(url, "{'jsonrpc': '2.0'}", { 'content-type': 'text/plain' });
      expect(json.error).toMatchObject({ code: -32005, data: [{ reason: 'CONTENT_TYPE_NOT_SUPPORTED' }] });
    },
  },
  {
    name: 'streams are SSE with one JSON-RPC response a line, under the id of the request and numbered',
    requirements: ['JSONRPC-SSE-001'],
    over: OVER,
    run: async ({ url }) => {
      const { headers, body } = await httpRequest(url, {
        method: 'POST',
        headers: { 'content-type': 'application/json', 'a2a-version': '1.0' },
        body: JSON.stringify(rpc('SendStreamingMessage', sending('tck-stream-001'), 'mine')),
      });
      expect(headers['content-type']).toBe('text/event-stream');
      const lines = (await body.text()).split('\n').filter((line) => line !== '' && !line.startsWith(':'));
      const data = lines.filter((line) => line.startsWith('data: ')).map((line) => JSON.parse(line.slice(6)));
      for (const event of data) expect(event).toEqual({ jsonrpc: '2.0', id: 'mine', result: expect.anything() });
      expect(data.map(({ result }) => Object.keys(result)[0])).toEqual([
        'task',
        'statusUpdate',
        'artifactUpdate',
        'statusUpdate',
      ]);
      expect(lines.filter((line) => line.startsWith('id: '))).toEqual(['id: 1', 'id: 2', 'id: 3', 'id: 4']);
      expect(lines).toHaveLength(8);
    },
  },
  {
    name: 'a stream that is refused is a plain answer',
    requirements: ['STREAM-SUB-003', 'STREAM-SUB-004'],
    over: OVER,
    run: async ({ url, client }) => {
      const { id } = await send(client, 'tck-complete-task');
      for (const [task, code] of [
        [id, -32004],
        [UNKNOWN_ID, -32001],
      ] as const) {
        const { headers, json } = await postRpc(url, rpc('SubscribeToTask', { id: task }));
        expect(headers['content-type']).toMatch(/^application\/json/);
        expect(json.error.code).toBe(code);
      }
    },
  },
];
