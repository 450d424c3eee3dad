import { create } from '@bufbuild/protobuf';
import { describe, expect, it } from 'vitest';
import {
  type A2AOperations,
  type CallContext,
  GetTaskPushNotificationConfigRequestSchema,
  ListTaskPushNotificationConfigsRequestSchema,
  ListTaskPushNotificationConfigsResponseSchema,
  type TaskPushNotificationConfig,
  TaskPushNotificationConfigSchema,
} from '#protocol';
import { allPushConfigs, namedOrOnlyPushConfig } from './push-configs.js';

const context = {} as CallContext;

/** Operations over these webhooks of the task `t`, two on a page. */
function operationsOver(...ids: string[]): A2AOperations {
  const configs = ids.map((id) =>
    create(TaskPushNotificationConfigSchema, { id, taskId: 't', url: 'https://h.example/' }),
  );
  const served: Partial<A2AOperations> = {
    getTaskPushNotificationConfig: async ({ id }) => configs.find((config) => config.id === id)!,
    listTaskPushNotificationConfigs: async ({ pageToken }) => {
      const start = Number(pageToken);
      const nextPageToken = start + 2 < configs.length ? String(start + 2) : '';
      return create(ListTaskPushNotificationConfigsResponseSchema, {
        configs: configs.slice(start, start + 2),
        nextPageToken,
      });
    },
  };
  return served as A2AOperations;
}

const named = (id: string) => create(GetTaskPushNotificationConfigRequestSchema, { taskId: 't', id });
const idOf = ({ id }: TaskPushNotificationConfig) => id;

describe(allPushConfigs, () => {
  it.each([0, 1, 2, 3, 5])('gives all of %i webhooks', async (count) => {
    const ids = Array.from({ length: count }, (_, index) => `p-${index}`);
    const request = create(ListTaskPushNotificationConfigsRequestSchema, { taskId: 't' });
    const { configs, nextPageToken } = await allPushConfigs(operationsOver(...ids), request, context);
    expect([configs.map(idOf), nextPageToken]).toEqual([ids, '']);
  });
});

describe(namedOrOnlyPushConfig, () => {
  it('gives the one that is named', async () => {
    expect(idOf(await namedOrOnlyPushConfig(operationsOver('a', 'b'), named('b'), context))).toBe('b');
  });

  it('gives the only one to those who name none', async () => {
    expect(idOf(await namedOrOnlyPushConfig(operationsOver('a'), named(''), context))).toBe('a');
  });

  it('gives the one with the id of the task, of several, to those who name none', async () => {
    expect(idOf(await namedOrOnlyPushConfig(operationsOver('a', 'b', 't'), named(''), context))).toBe('t');
  });

  it('finds none where the task has none, and asks which where it has several', async () => {
    await expect(namedOrOnlyPushConfig(operationsOver(), named(''), context)).rejects.toMatchObject({
      reason: 'TASK_NOT_FOUND',
    });
    await expect(namedOrOnlyPushConfig(operationsOver('a', 'b'), named(''), context)).rejects.toMatchObject({
      reason: 'INVALID_PARAMS',
      violations: [{ field: 'id' }],
    });
  });
});
