import { getOption, ScalarType } from '@bufbuild/protobuf';
import { describe, expect, it } from 'vitest';
import { A2AService, httpRule } from '#protocol';
import { HttpRoutes } from '../http/http-route.js';
import { HTTP_JSON_ROUTES } from './httpjson-routes.js';

const shown = HTTP_JSON_ROUTES.map(
  ({ method, verb, path, pathFields, hasBody }) =>
    `${method.name}: ${verb} ${path} ${pathFields.map(({ name }) => name).join(' ')} ${hasBody ? 'body' : 'query'}`,
);

describe('the routes of HTTP+JSON', () => {
  it('are those of the specification, section 11.3, and both verbs and paths of a subscription', () => {
    expect(shown.toSorted()).toEqual([
      'CancelTask: POST /tasks/:id(.+)::cancel id body',
      'CreateTaskPushNotificationConfig: POST /tasks/:task_id/pushNotificationConfigs task_id body',
      'DeleteTaskPushNotificationConfig: DELETE /tasks/:task_id/pushNotificationConfigs/:id task_id id query',
      'GetExtendedAgentCard: GET /extendedAgentCard  query',
      'GetTask: GET /tasks/:id id query',
      'GetTaskPushNotificationConfig: GET /tasks/:task_id/pushNotificationConfigs/:id task_id id query',
      'ListTaskPushNotificationConfigs: GET /tasks/:task_id/pushNotificationConfigs task_id query',
      'ListTasks: GET /tasks  query',
      'SendMessage: POST /message::send  body',
      'SendStreamingMessage: POST /message::stream  body',
      'SubscribeToTask: GET /tasks/:id(.+)::subscribe id query',
      'SubscribeToTask: GET /tasks/:id/subscribe id query',
      'SubscribeToTask: POST /tasks/:id(.+)::subscribe id body',
      'SubscribeToTask: POST /tasks/:id/subscribe id body',
    ]);
  });

  it('serve every method of the service, and leave tenants to the base, as the annotations do', () => {
    for (const method of A2AService.methods) {
      const { pattern, body, additionalBindings } = getOption(method, httpRule);
      expect(HTTP_JSON_ROUTES.filter((route) => route.method === method).length).toBeGreaterThan(0);
      expect(additionalBindings).toMatchObject([
        { pattern: { case: pattern.case, value: `/{tenant}${pattern.value as string}` }, body },
      ]);
    }
  });

  it('carry texts in their paths, and in their queries nothing that a query cannot say', () => {
    for (const { method, pathFields, hasBody } of HTTP_JSON_ROUTES) {
      expect(pathFields.every(({ scalar }) => scalar === ScalarType.STRING)).toBe(true);
      const others = hasBody ? [] : method.input.fields.filter((field) => !pathFields.includes(field));
      for (const { fieldKind, message } of others) {
        expect(message?.typeName ?? fieldKind).toMatch(/^(scalar|enum|google\.protobuf\.Timestamp)$/);
      }
    }
  });

  it('are there below each base, and found again by their address', () => {
    const routes = new HttpRoutes(HTTP_JSON_ROUTES);
    expect(routes.urls('DELETE')).toEqual(
      ['', '/agents/:agent', '/:tenant', '/agents/:agent/:tenant'].map(
        (base) => `${base}/tasks/:task_id/pushNotificationConfigs/:id`,
      ),
    );
    for (const verb of ['GET', 'POST', 'DELETE'] as const) {
      for (const url of routes.urls(verb)) expect(url.endsWith(routes.at(verb, url).path)).toBe(true);
    }
  });
});
