import { randomUUID } from 'node:crypto';
import { create, type JsonObject } from '@bufbuild/protobuf';
import { type Agent, isFail, isReject } from '#agents';
import { A2AError, type CallContext, type Message, MessageSchema, Role, toJsonObject } from '#protocol';
import { InvalidOutputError, outputParts } from './agent-output.js';
import { type SendRequest } from './send-request.js';

/** The answer of the agent's `respond`, for a message that is to become no task; undefined where it is to become one. */
export async function answerDirectly(
  agent: Agent,
  send: SendRequest,
  context: CallContext,
): Promise<Message | undefined> {
  if (!agent.respond || send.message.taskId !== '') return undefined;
  const signal = AbortSignal.any([context.signal, AbortSignal.timeout(agent.timeoutMs)]);
  const output = await respond(agent, send, context, signal);
  if (output === undefined || output === null) return undefined;
  const { parts, metadata } = parsed(output);
  const contextId = send.message.contextId || randomUUID();
  return create(MessageSchema, { messageId: randomUUID(), role: Role.AGENT, contextId, parts, metadata });
}

async function respond(agent: Agent, send: SendRequest, context: CallContext, signal: AbortSignal) {
  const request = {
    message: toJsonObject(MessageSchema, send.message),
    tenant: context.tenant,
    principal: context.principal,
    metadata: send.call.metadata,
    extensions: context.extensions,
    signal,
  };
  const aborted = new Promise<never>((_, reject) => {
    signal.addEventListener(
      'abort',
      () => reject(new A2AError('UNAVAILABLE', { message: 'The agent did not answer in time' })),
      {
        once: true,
      },
    );
  });
  aborted.catch(() => undefined);
  try {
    return await Promise.race([agent.respond?.(request), aborted]);
  } catch (error) {
    if (isReject(error) || isFail(error))
      throw new A2AError('UNSUPPORTED_OPERATION', { message: error.message, cause: error });
    throw error;
  }
}

function parsed(output: Exclude<Awaited<ReturnType<NonNullable<Agent['respond']>>>, undefined>): {
  parts: ReturnType<typeof outputParts>['parts'];
  metadata?: JsonObject;
} {
  try {
    return outputParts(output);
  } catch (error) {
    if (error instanceof InvalidOutputError) throw new A2AError('INVALID_AGENT_RESPONSE', { cause: error });
    throw error;
  }
}
