import { describe, expect, expectTypeOf, it } from 'vitest';
import { type A2AOperations, type CallContext, type Sequenced } from './a2a-operations.js';
import {
  A2AService,
  type GetTaskRequest,
  type SendMessageRequest,
  type StreamResponse,
  type Task,
} from './gen/lf/a2a/v1/a2a_pb.js';

describe('A2AOperations', () => {
  it('has an operation for each of the eleven methods of the service, none of them streaming from the client', () => {
    expect(A2AService.methods).toHaveLength(11);
    expect(new Set(A2AService.methods.map(({ methodKind }) => methodKind))).toEqual(
      new Set(['unary', 'server_streaming']),
    );
    expectTypeOf<keyof A2AOperations>().toEqualTypeOf<keyof typeof A2AService.method>();
  });

  it('gives a promise of a unary method and sequenced messages of a streaming one', () => {
    expectTypeOf<A2AOperations['getTask']>().toEqualTypeOf<
      (request: GetTaskRequest, context: CallContext) => Promise<Task>
    >();
    expectTypeOf<A2AOperations['sendStreamingMessage']>().toEqualTypeOf<
      (request: SendMessageRequest, context: CallContext) => AsyncIterable<Sequenced<StreamResponse>>
    >();
    expectTypeOf<A2AOperations[keyof A2AOperations]>().not.toBeNever();
  });
});
