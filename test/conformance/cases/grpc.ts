import { expect } from 'vitest';
import { A2AService } from '#protocol';
import { send, sending } from '../../equivalence/row.js';
import { type UnaryOperation } from '../../support/protocol-client.js';
import { type ConformanceCase, refusal, UNKNOWN_ID } from '../case.js';

const OVER = ['GRPC'] as const;

/** What only gRPC has. */
export const GRPC: readonly ConformanceCase[] = [
  {
    name: 'the service of the proto is there, every method of it',
    requirements: ['GRPC-SVC-001', 'BIND-EQUIV-001'],
    over: OVER,
    run: async ({ client }) => {
      for (const { name, methodKind } of A2AService.methods) {
        const request = { taskId: 't', id: UNKNOWN_ID, url: 'https://example.com', pageSize: 0 };
        const call =
          methodKind === 'unary'
            ? client.call(name as UnaryOperation, request)
            : client.open(name as 'SubscribeToTask', request);
        const { status } = await refusal(call);
        expect(['INVALID_ARGUMENT', 'NOT_FOUND', 'FAILED_PRECONDITION']).toContain(status);
      }
    },
  },
  {
    name: 'an error of A2A is in the details of the status, which repeat code and text',
    requirements: ['GRPC-ERR-001'],
    over: OVER,
    run: async ({ client }) => {
      const { wire } = await refusal(client.call('GetTask', { id: UNKNOWN_ID }));
      expect(wire).toEqual({
        code: 5,
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
      });
    },
  },
  {
    name: 'streams are server streaming calls that end with OK, or that a client may cancel',
    requirements: ['GRPC-ERR-003'],
    over: OVER,
    run: async ({ client }) => {
      const events = await (await client.open('SendStreamingMessage', sending('tck-stream-001'))).all();
      expect(events.map(({ response }) => Object.keys(response)[0])).toEqual([
        'task',
        'statusUpdate',
        'artifactUpdate',
        'statusUpdate',
      ]);
      const { id } = await send(client, 'tck-input-required');
      const stream = await client.open('SubscribeToTask', { id });
      await stream.next();
      stream.close();
      expect((await refusal(stream.all())).status).toBe('CANCELLED');
      expect((await client.call('GetTask', { id })).status?.state).toBe('TASK_STATE_INPUT_REQUIRED');
    },
  },
];
