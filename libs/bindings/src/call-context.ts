import { type Message } from '@bufbuild/protobuf';
import { type AgentRegistry } from '#agents';
import { type CallContext } from '#protocol';
import { type PathAddress, resolveAddress } from './address.js';
import { type Call } from './open-calls.js';
import {
  activatedExtensions,
  idempotencyKey,
  lastEventId,
  pushFilter,
  type ServiceParameters,
  traceparent,
} from './service-parameters.js';

/** Until callers are authenticated they are all this one. */
const ANONYMOUS = 'anonymous';

/** What an answer carries beside its message, by names in lower case: headers over HTTP, metadata over gRPC. */
export type AnswerParameters = Record<string, string>;

/** What a binding knows of a call beside its request message. */
export interface CallSource {
  readonly agents: AgentRegistry;
  readonly path: PathAddress;
  readonly parameters: ServiceParameters;
  readonly call: Pick<Call, 'signal' | 'waits'>;
  /** What stands beside the answer; grows as the call goes on. */
  readonly answer: AnswerParameters;
}

/** The context of a call, the same from every binding. Throws A2AError for an address or service parameter that does not do. */
export function callContext(request: Message, { agents, path, parameters, call, answer }: CallSource): CallContext {
  const { tenant, agent } = resolveAddress(agents, path, tenantField(request));
  return {
    tenant,
    agent: agent.id,
    principal: ANONYMOUS,
    extensions: activatedExtensions(parameters, request, agent),
    idempotencyKey: idempotencyKey(parameters, request),
    traceparent: traceparent(parameters),
    lastEventId: lastEventId(parameters),
    signal: call.signal,
    waits: call.waits,
    pushFilter: pushFilter(parameters),
    onWebhookSecret: (secret) => (answer['webhook-secret'] = secret),
  };
}

function tenantField(request: Message): string {
  return 'tenant' in request && typeof request.tenant === 'string' ? request.tenant : '';
}
