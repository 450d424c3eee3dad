import {
  type DescMethod,
  type DescMethodServerStreaming,
  type DescMethodUnary,
  type JsonValue,
  type Message,
  type MessageShape,
} from '@bufbuild/protobuf';
import { type A2AOperations, A2AService } from '#protocol';
import { type Dialect } from '../http/http-calls.js';
import { type FieldNames, renamed } from './field-names.js';
import { hybridCard } from './hybrid-card.js';
import { JsonField } from './json-field.js';
import {
  deletePushConfigFrom,
  extendedCardFrom,
  getPushConfigFrom,
  listPushConfigsFrom,
  sendMessageFrom,
  setPushConfigFrom,
} from './json-requests.js';
import { allPushConfigs, namedOrOnlyPushConfig } from './push-configs.js';
import { pushConfigsTo, pushConfigTo, sendResultTo, streamResultTo } from './json-results.js';

/** A request in an older dialect as a call of 1.0, with what its answer takes. */
export interface OlderCall {
  readonly method: DescMethod;
  readonly message: Message;
  readonly dialect: Dialect;
}

/** Reads the params of one method. Throws A2AError INVALID_PARAMS that names the field in the method's own terms. */
export type ReadCall = (params: unknown) => OlderCall;

/** Where the fields of a send stand in its configuration. */
const SEND_FIELDS: FieldNames = [
  [/^configuration\.taskPushNotificationConfig(?=\.|$)/, 'configuration.pushNotificationConfig'],
  [/(\.authentication)\.scheme$/, '$1.schemes'],
];

/** Where the fields of a webhook stand that is set. */
export const PUSH_FIELDS: FieldNames = [
  [/^(?=(id|url|token|authentication)(\.|$))/, 'pushNotificationConfig.'],
  [/(\.authentication)\.scheme$/, '$1.schemes'],
];

/** Where the names of a webhook stand that is there. */
export const PUSH_NAMES: FieldNames = [
  [/^id$/, 'pushNotificationConfigId'],
  [/^taskId$/, 'id'],
];

/** A method as 0.3 calls it; `names` are those of fields that differ from 1.0, `served` what does more than its operation. */
function method<M extends DescMethodUnary | DescMethodServerStreaming>(
  operation: M,
  from: (params: JsonField) => MessageShape<M['input']>,
  to: (result: MessageShape<M['output']>) => JsonValue,
  { names = [], operations: served }: { names?: FieldNames; operations?: Dialect['operations'] } = {},
): ReadCall {
  const dialect: Dialect = {
    operations: served,
    context: (context) => ({ ...context, pushDialect: '0.3' }),
    write: (result) => JSON.stringify(to(result as MessageShape<M['output']>)),
    error: (thrown) => renamed(thrown, names),
  };
  return (params) => ({ method: operation, message: from(JsonField.params(params)), dialect });
}

const operations = A2AService.method;

/** The methods that 0.3 alone has over JSON-RPC; it has others together with the first dialect. */
export const METHODS_OF_03: Readonly<Record<string, ReadCall>> = {
  'message/send': method(operations.sendMessage, sendMessageFrom, sendResultTo, {
    names: SEND_FIELDS,
  }),
  'message/stream': method(operations.sendStreamingMessage, sendMessageFrom, streamResultTo, {
    names: SEND_FIELDS,
  }),
  'tasks/pushNotificationConfig/set': method(
    operations.createTaskPushNotificationConfig,
    setPushConfigFrom,
    pushConfigTo,
    { names: PUSH_FIELDS },
  ),
  'tasks/pushNotificationConfig/get': method(
    operations.getTaskPushNotificationConfig,
    getPushConfigFrom,
    pushConfigTo,
    { names: PUSH_NAMES, operations: withNamedOrOnly },
  ),
  'tasks/pushNotificationConfig/list': method(
    operations.listTaskPushNotificationConfigs,
    listPushConfigsFrom,
    pushConfigsTo,
    { names: PUSH_NAMES, operations: withAll },
  ),
  'tasks/pushNotificationConfig/delete': method(
    operations.deleteTaskPushNotificationConfig,
    deletePushConfigFrom,
    () => null,
    { names: PUSH_NAMES },
  ),
  'agent/getAuthenticatedExtendedCard': method(operations.getExtendedAgentCard, extendedCardFrom, hybridCard),
};

/** Gets a webhook that may go without an id. */
export function withNamedOrOnly(operations: A2AOperations): Pick<A2AOperations, 'getTaskPushNotificationConfig'> {
  return {
    getTaskPushNotificationConfig: (request, context) => namedOrOnlyPushConfig(operations, request, context),
  };
}

function withAll(operations: A2AOperations): Pick<A2AOperations, 'listTaskPushNotificationConfigs'> {
  return {
    listTaskPushNotificationConfigs: (request, context) => allPushConfigs(operations, request, context),
  };
}
