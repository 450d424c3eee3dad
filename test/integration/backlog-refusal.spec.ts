import { expect, it } from 'vitest';
import { PRIORITY_EXTENSION, SCHEDULING_EXTENSION } from '#agents';
import { ECHO_AGENT } from '../support/agent-folders.js';
import { BINDINGS, type ProtocolError } from '../support/protocol-client.js';
import { codeMistake } from '../support/protocol-client-codes.js';
import { useProtocolServer } from '../support/protocol-client-server.js';

const server = useProtocolServer([ECHO_AGENT], { maxBacklog: 1 });

function request(metadata?: Record<string, unknown>) {
  return JSON.parse(
    JSON.stringify({ message: { messageId: 'm', role: 'ROLE_USER', parts: [{ text: 'hello' }] }, metadata }),
  ) as { message: object };
}

it('is told over every binding in its own shape, with the time of a retry, and only to tasks that would wait', async () => {
  const waits = request({ [SCHEDULING_EXTENSION.uri]: { startAt: '1h' } });
  await server.client('JSONRPC', 'echo').call('SendMessage', waits as never);
  const refusals: object[] = [];
  for (const binding of BINDINGS) {
    const client = server.client(binding, 'echo');
    const error = await client.call('SendMessage', waits as never).then(
      () => expect.unreachable(),
      (thrown: ProtocolError) => thrown,
    );
    expect(codeMistake(binding, error)).toBeUndefined();
    refusals.push(error.portable);
    const { task } = await client.call('SendMessage', request() as never);
    expect(task?.status?.state).toBe('TASK_STATE_COMPLETED');
  }
  const refusal = {
    status: 'RESOURCE_EXHAUSTED',
    retryDelay: '1s',
    message: '1 tasks of this tenant wait to begin, as many as may (PERDURE_MAX_BACKLOG)',
  };
  expect(refusals).toEqual(BINDINGS.map(() => expect.objectContaining(refusal) as object));
});

it('a priority that is none is refused over every binding, by the name of its field', async () => {
  for (const binding of BINDINGS) {
    const call = server.client(binding, 'echo').call('SendMessage', request({ [PRIORITY_EXTENSION.uri]: 7 }) as never);
    await expect(call, binding).rejects.toMatchObject({
      status: 'INVALID_ARGUMENT',
      violations: [{ field: `metadata["${PRIORITY_EXTENSION.uri}"]`, description: 'must be low, normal or high' }],
    });
  }
});
