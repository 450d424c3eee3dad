import { expect } from 'vitest';
import { type JsonObject } from '@bufbuild/protobuf';
import { send, sending } from '../../equivalence/row.js';
import { type UnaryOperation } from '../../support/protocol-client.js';
import { type ConformanceCase, refusal, UNKNOWN_ID } from '../case.js';

/** The push operations for a task, each with a request that would do. */
function operations(taskId: string): [UnaryOperation, JsonObject][] {
  return [
    ['CreateTaskPushNotificationConfig', { taskId, id: 'tck-push-1', url: 'https://example.com/tck-push-webhook' }],
    ['GetTaskPushNotificationConfig', { taskId, id: 'tck-push-1' }],
    ['ListTaskPushNotificationConfigs', { taskId }],
    ['DeleteTaskPushNotificationConfig', { taskId, id: 'tck-push-1' }],
  ];
}

function refusesPush(operation: UnaryOperation, requirements: readonly string[]): ConformanceCase {
  return {
    name: `${operation} is refused while the card says pushNotifications: false, whether the task is there or not`,
    requirements: ['CORE-CAP-001', ...requirements],
    run: async ({ client }) => {
      const { id } = await send(client, 'tck-complete-task');
      for (const taskId of [id, UNKNOWN_ID, 't']) {
        const request = operations(taskId).find(([name]) => name === operation)![1];
        expect((await refusal(client.call(operation, request))).reason).toBe('PUSH_NOTIFICATION_NOT_SUPPORTED');
      }
    },
  };
}

/** Webhooks are not served yet: what the specification demands of a server without them. */
export const PUSH: readonly ConformanceCase[] = [
  refusesPush('CreateTaskPushNotificationConfig', ['PUSH-CREATE-001', 'PUSH-CREATE-002']),
  refusesPush('GetTaskPushNotificationConfig', ['PUSH-GET-001', 'PUSH-GET-002', 'ACTS PUSH-ERR-001']),
  refusesPush('ListTaskPushNotificationConfigs', ['PUSH-LIST-001']),
  refusesPush('DeleteTaskPushNotificationConfig', ['PUSH-DEL-001', 'PUSH-DEL-002', 'ACTS PUSH-IDEM-001']),
  {
    name: 'a webhook in a send is refused too, and the message makes no task',
    requirements: [
      ...['CORE-CAP-001', 'PUSH-DELIVER-001', 'PUSH-DELIVER-002', 'PUSH-DELIVER-003'],
      ...[
        'ACTS PUSH-DELIV-001',
        'ACTS PUSH-DELIV-002',
        'ACTS PUSH-DELIV-003',
        'ACTS SEC-PUSH-001',
        'ACTS SEC-PUSH-002',
      ],
    ],
    run: async ({ client }) => {
      const contextId = `no-webhook-${client.binding}`;
      const request = {
        ...sending({ contextId, parts: [{ text: 'tck-complete-task' }] }),
        configuration: { taskPushNotificationConfig: { url: 'http://localhost:9/webhook' } },
      };
      expect((await refusal(client.call('SendMessage', request))).reason).toBe('PUSH_NOTIFICATION_NOT_SUPPORTED');
      expect((await refusal(client.open('SendStreamingMessage', request))).reason).toBe(
        'PUSH_NOTIFICATION_NOT_SUPPORTED',
      );
      expect((await client.call('ListTasks', { contextId })).totalSize ?? 0).toBe(0);
    },
  },
];
