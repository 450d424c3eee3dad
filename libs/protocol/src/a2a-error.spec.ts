import { describe, expect, it } from 'vitest';
import { A2A_ERRORS, A2AError, errorDetails, type A2AErrorReason } from './a2a-error.js';

describe('A2A_ERRORS', () => {
  it.each<[A2AErrorReason, number, number, number]>([
    ['TASK_NOT_FOUND', -32001, 5, 404],
    ['TASK_NOT_CANCELABLE', -32002, 9, 400],
    ['PUSH_NOTIFICATION_NOT_SUPPORTED', -32003, 9, 400],
    ['UNSUPPORTED_OPERATION', -32004, 9, 400],
    ['CONTENT_TYPE_NOT_SUPPORTED', -32005, 3, 400],
    ['INVALID_AGENT_RESPONSE', -32006, 13, 500],
    ['EXTENDED_AGENT_CARD_NOT_CONFIGURED', -32007, 9, 400],
    ['EXTENSION_SUPPORT_REQUIRED', -32008, 9, 400],
    ['VERSION_NOT_SUPPORTED', -32009, 9, 400],
    ['INVALID_PARAMS', -32602, 3, 400],
    ['METHOD_NOT_FOUND', -32601, 12, 404],
    ['INVALID_REQUEST', -32600, 3, 400],
    ['PARSE_ERROR', -32700, 3, 400],
    ['INTERNAL_ERROR', -32603, 13, 500],
    ['RESOURCE_EXHAUSTED', -32000, 8, 429],
    ['UNAVAILABLE', -32000, 14, 503],
  ])('maps %s as specification 1.0.1 does', (reason, jsonRpc, grpc, http) => {
    expect(A2A_ERRORS[reason]).toMatchObject({ jsonRpc, grpc, http });
  });

  it('has no error beyond those', () => {
    expect(Object.keys(A2A_ERRORS)).toHaveLength(16);
  });
});

describe('A2AError', () => {
  it('speaks the text of the table unless it is given another', () => {
    expect(new A2AError('TASK_NOT_FOUND').message).toBe('Task not found');
    expect(new A2AError('TASK_NOT_FOUND', { message: 'No such task: t1' }).message).toBe('No such task: t1');
  });

  it('hides what an unknown error says from the client and keeps it as the cause', () => {
    const secret = new Error('password=hunter2');
    const error = A2AError.from(secret);
    expect(error).toMatchObject({ reason: 'INTERNAL_ERROR', message: 'Internal error', cause: secret });
    expect(JSON.stringify([error.message, errorDetails(error)])).not.toContain('hunter2');
  });

  it.each([undefined, null, 'text', 42, { reason: 'TASK_NOT_FOUND' }])(
    'makes INTERNAL_ERROR of a thrown %j',
    (thrown) => {
      expect(A2AError.from(thrown)).toMatchObject({ reason: 'INTERNAL_ERROR', cause: thrown });
    },
  );

  it('leaves an A2AError as it is', () => {
    const error = new A2AError('UNAVAILABLE');
    expect(A2AError.from(error)).toBe(error);
  });

  it('names the violated field in the text of INVALID_PARAMS', () => {
    const error = A2AError.invalidParams('message.parts[0].raw', 'is not valid base64');
    expect(error).toMatchObject({
      reason: 'INVALID_PARAMS',
      message: 'Invalid parameters: message.parts[0].raw is not valid base64',
      violations: [{ field: 'message.parts[0].raw', description: 'is not valid base64' }],
    });
    expect(A2AError.invalidParams('', 'must be an object').message).toBe(
      'Invalid parameters: the request must be an object',
    );
    expect(A2AError.invalidParams([]).message).toBe('Invalid parameters');
  });
});

describe('errorDetails', () => {
  const A2A_REASONS = Object.keys(A2A_ERRORS).slice(0, 9) as A2AErrorReason[];
  const OTHER_REASONS = Object.keys(A2A_ERRORS).slice(9) as A2AErrorReason[];

  it.each(A2A_REASONS)('gives %s an ErrorInfo of the domain a2a-protocol.org', (reason) => {
    expect(errorDetails(new A2AError(reason, { metadata: { taskId: 't1' } }))).toEqual([
      {
        '@type': 'type.googleapis.com/google.rpc.ErrorInfo',
        reason,
        domain: 'a2a-protocol.org',
        metadata: { taskId: 't1' },
      },
    ]);
  });

  it.each(OTHER_REASONS)('gives %s, which A2A does not define, no ErrorInfo', (reason) => {
    expect(errorDetails(new A2AError(reason))).toEqual([]);
  });

  it('lists violated fields in a BadRequest', () => {
    const violations = [
      { field: 'message.role', description: 'is required' },
      { field: 'message.parts', description: 'must have at least one element' },
    ];
    expect(errorDetails(A2AError.invalidParams(violations))).toEqual([
      { '@type': 'type.googleapis.com/google.rpc.BadRequest', fieldViolations: violations },
    ]);
  });

  it.each([
    [0, '0s'],
    [1_500, '1.500s'],
    [60_000, '60s'],
  ])('gives retry advice of %i ms as a RetryInfo', (retryAfterMs, retryDelay) => {
    expect(errorDetails(new A2AError('RESOURCE_EXHAUSTED', { retryAfterMs }))).toEqual([
      { '@type': 'type.googleapis.com/google.rpc.RetryInfo', retryDelay },
    ]);
  });

  it('gives every detail that applies', () => {
    const error = new A2AError('CONTENT_TYPE_NOT_SUPPORTED', {
      violations: [{ field: 'message.parts[0].mediaType', description: 'is not taken by this agent' }],
      retryAfterMs: 1,
    });
    expect(errorDetails(error).map((detail) => detail['@type'])).toEqual([
      'type.googleapis.com/google.rpc.ErrorInfo',
      'type.googleapis.com/google.rpc.BadRequest',
      'type.googleapis.com/google.rpc.RetryInfo',
    ]);
  });

  it('keeps a metadata key named __proto__ a plain key', () => {
    const metadata = JSON.parse('{"__proto__":"x"}') as Record<string, string>;
    const [info] = errorDetails(new A2AError('TASK_NOT_FOUND', { metadata }));
    expect(JSON.stringify(info?.metadata)).toBe('{"__proto__":"x"}');
  });
});
