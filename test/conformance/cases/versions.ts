import { expect } from 'vitest';
import { send, sending } from '../../equivalence/row.js';
import {
  type ConformanceCase,
  JSON_BINDINGS,
  postRpc,
  refusal,
  rest,
  rpc,
  UNKNOWN_ID,
  withParameters,
} from '../case.js';

/** Versions of the protocol that a client may ask for. */
export const VERSIONS: readonly ConformanceCase[] = [
  {
    name: 'version 1.0 is served, whatever its patch number',
    requirements: ['VER-SERVER-001', 'VER-CLIENT-002'],
    run: async ({ client }) => {
      for (const version of ['1.0', '1.0.0', '1.0.1', '1.0.99']) {
        const task = await send(client, 'tck-complete-task', {}, withParameters({ 'a2a-version': version }));
        expect(task.status?.state).toBe('TASK_STATE_COMPLETED');
      }
    },
  },
  {
    name: 'a version that is not served is refused for every operation, before anything else is looked at',
    requirements: ['VER-SERVER-002', 'ACTS VER-NEG-001'],
    run: async ({ client }) => {
      for (const version of ['99.0', '1.1', '2.0', 'newest']) {
        const options = withParameters({ 'a2a-version': version });
        const calls = [
          client.call('SendMessage', sending('tck-complete-task'), options),
          client.call('GetTask', { id: UNKNOWN_ID }, options),
          client.call('ListTasks', {}, options),
          client.call('CancelTask', { id: UNKNOWN_ID }, options),
          client.open('SendStreamingMessage', sending('tck-complete-task'), options),
          client.open('SubscribeToTask', { id: UNKNOWN_ID }, options),
          client.call('CreateTaskPushNotificationConfig', { taskId: UNKNOWN_ID, url: 'https://example.com' }, options),
          client.call('GetExtendedAgentCard', {}, options),
        ];
        for (const call of calls) {
          const error = await refusal(call);
          expect(error.reason).toBe('VERSION_NOT_SUPPORTED');
          expect(error.metadata).toMatchObject({
            requestedVersion: version,
            supportedVersions: expect.stringContaining('1.0'),
          });
        }
      }
    },
  },
  {
    name: 'a call that names no version, or an empty one, is not taken for one of 1.0',
    requirements: ['VER-SERVER-003', 'ACTS VER-NEG-002'],
    run: async ({ client }) => {
      for (const version of [undefined, '']) {
        const error = await refusal(
          client.call('SendMessage', sending('tck-complete-task'), withParameters({ 'a2a-version': version })),
        );
        // JSON-RPC serves 0.3 at the same address, where there is no method of that name.
        if (client.binding === 'JSONRPC') expect(error.wire.code).toBe(-32601);
        else expect(error).toMatchObject({ reason: 'VERSION_NOT_SUPPORTED', metadata: { requestedVersion: '0.3' } });
      }
    },
  },
  {
    name: 'the version may stand in the query',
    requirements: ['VER-SERVER-001'],
    over: JSON_BINDINGS,
    run: async ({ url, client }) => {
      const headers = { 'a2a-version': '' };
      const answer =
        client.binding === 'JSONRPC'
          ? await postRpc(`${url}/?A2A-Version=1.0`, rpc('ListTasks', { contextId: 'none' }), headers)
          : await rest(url, ['GET', '/tasks?contextId=none&A2A-Version=1.0'], { headers });
      expect(answer.status).toBe(200);
      expect(answer.json.error).toBeUndefined();
    },
  },
];
