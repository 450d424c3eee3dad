import { type JsonObject } from '@bufbuild/protobuf';
import { expect } from 'vitest';
import { REQUIRED_EXTENSION } from '../../conformance/agents/conformance-agent.js';
import { type UnaryOperation } from '../../support/protocol-client.js';
import { calls, type Row, send, sending, start, UNKNOWN_ID, versionRefusal } from '../row.js';

const OURS = 'a2a-protocol.org';
const UNKNOWN_VERSION = { parameters: { 'a2a-version': '99.0' } };

/** Requests that would do, for every unary operation. */
const REQUESTS: Record<UnaryOperation, JsonObject> = {
  SendMessage: sending('x'),
  GetTask: { id: UNKNOWN_ID },
  ListTasks: {},
  CancelTask: { id: UNKNOWN_ID },
  CreateTaskPushNotificationConfig: { taskId: UNKNOWN_ID, url: 'https://example.com/hook' },
  GetTaskPushNotificationConfig: { taskId: UNKNOWN_ID, id: 'c' },
  ListTaskPushNotificationConfigs: { taskId: UNKNOWN_ID },
  DeleteTaskPushNotificationConfig: { taskId: UNKNOWN_ID, id: 'c' },
  GetExtendedAgentCard: {},
};

const OPERATIONS = Object.entries(REQUESTS) as [UnaryOperation, JsonObject][];

/** A row that ends in an error of A2A. */
function refused(name: string, [status, reason]: readonly [string, string], row: Omit<Row, 'name' | 'expected'>): Row {
  return { ...row, name, expected: { error: { status, reason, domain: OURS } } };
}

const NOT_FOUND = ['NOT_FOUND', 'TASK_NOT_FOUND'] as const;
const NOT_CANCELABLE = ['FAILED_PRECONDITION', 'TASK_NOT_CANCELABLE'] as const;
const UNSUPPORTED = ['FAILED_PRECONDITION', 'UNSUPPORTED_OPERATION'] as const;
const WRONG_TYPE = ['INVALID_ARGUMENT', 'CONTENT_TYPE_NOT_SUPPORTED'] as const;
const WRONG_VERSION = ['FAILED_PRECONDITION', 'VERSION_NOT_SUPPORTED'] as const;
const EXTENSION_NEEDED = ['FAILED_PRECONDITION', 'EXTENSION_SUPPORT_REQUIRED'] as const;

/** Every error that A2A defines and a client can meet, and those of a server in trouble. */
export const ERRORS: readonly Row[] = [
  ...(['GetTask', 'CancelTask'] as const).map((operation) =>
    refused(`${operation} of an unknown task is TaskNotFound`, NOT_FOUND, {
      run: calls(operation, { id: UNKNOWN_ID }),
    }),
  ),
  refused('GetTask of an id that no task can have is TaskNotFound', NOT_FOUND, {
    run: calls('GetTask', { id: 'tck-nonexistent: 100% / ?' }),
  }),
  refused('a message to an unknown task is TaskNotFound', NOT_FOUND, {
    run: calls('SendMessage', sending('x', { taskId: UNKNOWN_ID })),
  }),
  ...['tck-complete-task', 'tck-task-failure', 'tck-reject-task'].flatMap((text) => [
    refused(`a task that ended by ${text} is TaskNotCancelable`, NOT_CANCELABLE, {
      run: async (client) => client.call('CancelTask', { id: (await send(client, text)).id }),
    }),
    refused(`a task that ended by ${text} takes no message`, UNSUPPORTED, {
      run: async (client) => send(client, 'more', { taskId: (await send(client, text)).id }),
    }),
  ]),
  {
    name: 'canceling again changes nothing and is no error',
    run: async (client) => {
      const { id } = await send(client, 'tck-input-required');
      const once = await client.call('CancelTask', { id });
      const twice = await client.call('CancelTask', { id });
      return JSON.stringify(once) === JSON.stringify(twice);
    },
    expected: true,
  },
  refused('GetExtendedAgentCard is UnsupportedOperation', UNSUPPORTED, { run: calls('GetExtendedAgentCard') }),
  refused('SendStreamingMessage to an agent that does not stream is UnsupportedOperation', UNSUPPORTED, {
    agent: 'reduced',
    run: (client) => client.open('SendStreamingMessage', sending('x')),
  }),
  refused('SubscribeToTask at an agent that does not stream is UnsupportedOperation, whatever the task', UNSUPPORTED, {
    agent: 'reduced',
    run: (client) => client.open('SubscribeToTask', { id: UNKNOWN_ID }),
  }),
  refused('a message that the agent declines to answer is UnsupportedOperation', UNSUPPORTED, {
    agent: 'talker',
    run: calls('SendMessage', sending('decline')),
  }),
  refused('a message to a running task is UnsupportedOperation where the agent wants no such', UNSUPPORTED, {
    agent: 'single',
    run: async (client) => {
      const { id } = await start(client, 'x');
      try {
        return await send(client, 'more', { taskId: id });
      } finally {
        await client.call('CancelTask', { id });
      }
    },
  }),
  refused('a part of a media type that the card has not is ContentTypeNotSupported', WRONG_TYPE, {
    run: calls('SendMessage', sending([{ raw: 'AAAA', mediaType: 'application/x-unsupported-tck-type' }])),
  }),
  refused('an answer of the agent that is no content is InvalidAgentResponse', ['INTERNAL', 'INVALID_AGENT_RESPONSE'], {
    agent: 'talker',
    run: calls('SendMessage', sending('nonsense')),
  }),
  ...OPERATIONS.map(([operation, request]) =>
    refused(`${operation} in an unknown version is VersionNotSupported`, WRONG_VERSION, {
      run: (client) => versionRefusal(client.call(operation, request, UNKNOWN_VERSION)),
    }),
  ),
  refused('SendStreamingMessage in an unknown version is VersionNotSupported', WRONG_VERSION, {
    run: (client) => versionRefusal(client.open('SendStreamingMessage', sending('x'), UNKNOWN_VERSION)),
  }),
  refused('SubscribeToTask in an unknown version is VersionNotSupported', WRONG_VERSION, {
    run: (client) => versionRefusal(client.open('SubscribeToTask', { id: UNKNOWN_ID }, UNKNOWN_VERSION)),
  }),
  ...OPERATIONS.map(([operation, request]) =>
    refused(`${operation} without a required extension is ExtensionSupportRequired`, EXTENSION_NEEDED, {
      agent: 'extended',
      run: calls(operation, request),
    }),
  ),
  refused('an extension beside the required one does not stand for it', EXTENSION_NEEDED, {
    agent: 'extended',
    run: calls('SendMessage', sending('x'), { parameters: { 'a2a-extensions': 'urn:other, urn:another' } }),
  }),
  {
    name: 'a required extension that is asked for lets the call through',
    agent: 'extended',
    run: async (client) =>
      (
        await client.call('SendMessage', sending('x'), {
          parameters: { 'a2a-extensions': `urn:other, ${REQUIRED_EXTENSION}` },
        })
      ).task,
    expected: { status: { state: 'TASK_STATE_COMPLETED' } },
  },
  {
    name: 'an agent that does not answer in time is UNAVAILABLE',
    agent: 'talker',
    run: calls('SendMessage', sending('silence')),
    expected: { error: { status: 'UNAVAILABLE', violations: [] } },
  },
  {
    name: 'a crash is an INTERNAL error with an id and nothing of its text',
    agent: 'talker',
    run: calls('SendMessage', sending('crash')),
    expected: {
      error: {
        status: 'INTERNAL',
        message: 'Internal error',
        reason: 'INTERNAL_ERROR',
        metadata: { errorId: expect.stringMatching(/^id-/) },
      },
    },
  },
];
