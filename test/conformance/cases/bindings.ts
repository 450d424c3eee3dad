import { expect } from 'vitest';
import { type JsonObject } from '@bufbuild/protobuf';
import { send, sending } from '../../equivalence/row.js';
import { type ProtocolClient, type ProtocolError } from '../../support/protocol-client.js';
import { codeMistake } from '../../support/protocol-client-codes.js';
import { type ConformanceCase, refusal, UNKNOWN_ID, withParameters, type World } from '../case.js';

/** The errors of A2A that a client can bring about here, by reason. */
async function errorsOf({ client, at }: World): Promise<Record<string, ProtocolError>> {
  const { id } = await send(client, 'tck-complete-task');
  return {
    TASK_NOT_FOUND: await refusal(client.call('GetTask', { id: UNKNOWN_ID })),
    TASK_NOT_CANCELABLE: await refusal(client.call('CancelTask', { id })),
    PUSH_NOTIFICATION_NOT_SUPPORTED: await refusal(
      at('reduced').call('ListTaskPushNotificationConfigs', { taskId: id }),
    ),
    UNSUPPORTED_OPERATION: await refusal(client.call('SendMessage', sending('x', { taskId: id }))),
    CONTENT_TYPE_NOT_SUPPORTED: await refusal(client.call('SendMessage', sending([{ text: 'x', mediaType: 'a/b' }]))),
    EXTENSION_SUPPORT_REQUIRED: await refusal(at('extended').call('ListTasks')),
    VERSION_NOT_SUPPORTED: await refusal(client.call('ListTasks', {}, withParameters({ 'a2a-version': '99.0' }))),
  };
}

async function roundTrip(client: ProtocolClient): Promise<unknown> {
  const parts: JsonObject[] = [{ text: 'tck-complete-task ünïcödé 🙂' }, { data: { n: 1.5, list: [null, true] } }];
  const { task } = await client.call('SendMessage', sending(parts));
  return task!.history![0]!.parts;
}

/** What holds for all bindings alike. */
export const BINDING_CASES: readonly ConformanceCase[] = [
  {
    name: 'the errors of A2A have the codes of specification 1.0.1, a text, and an ErrorInfo in A2A’s domain',
    requirements: [
      ...['JSONRPC-SSE-002', 'GRPC-ERR-001', 'GRPC-ERR-002', 'HTTP_JSON-STATUS-001', 'HTTP_JSON-ERR-002'],
      ...['CORE-ERR-001', 'ACTS CORE-ERR-007', 'ACTS JSONRPC-ERR-003', 'BIND-EQUIV-003'],
    ],
    run: async (world) => {
      for (const [reason, error] of Object.entries(await errorsOf(world))) {
        expect(error).toMatchObject({ reason, domain: 'a2a-protocol.org', message: expect.stringMatching(/./) });
        expect(codeMistake(world.client.binding, error)).toBeUndefined();
        for (const detail of error.wire.details)
          expect(detail['@type']).toMatch(/^type\.googleapis\.com\/google\.rpc\./);
      }
    },
  },
  {
    name: 'a field that is wrong is named by a BadRequest',
    requirements: ['CORE-ERR-002', 'ACTS CORE-ERR-008'],
    run: async ({ client }) => {
      const error = await refusal(client.call('ListTasks', { pageSize: 0 }));
      expect(error.violations).toEqual([{ field: 'pageSize', description: 'must be from 1 to 100' }]);
      expect(codeMistake(client.binding, error)).toBeUndefined();
    },
  },
  {
    name: 'messages survive the way there and back, in every script and number',
    requirements: ['GRPC-SVC-002', 'JSONRPC-FMT-001', 'HTTP_JSON-SVC-001'],
    run: async ({ client }) => {
      expect(await roundTrip(client)).toEqual([
        { text: 'tck-complete-task ünïcödé 🙂' },
        { data: { n: 1.5, list: [null, true] } },
      ]);
    },
  },
  {
    name: 'extensions that nobody knows are ignored wherever a client names them',
    requirements: ['JSONRPC-SVC-002', 'HTTP_JSON-SVC-002', 'GRPC-META-001'],
    run: async ({ client }) => {
      const options = withParameters({ 'a2a-extensions': 'urn:tck:one,urn:tck:two' });
      expect((await send(client, 'tck-complete-task', {}, options)).status?.state).toBe('TASK_STATE_COMPLETED');
    },
  },
];
