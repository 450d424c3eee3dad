import { randomUUID } from 'node:crypto';
import { create } from '@bufbuild/protobuf';
import { type Agent, isFail, isReject } from '#agents';
import { type Config } from '#platform';
import { A2AError, type CallContext, jsonText, type Message, MessageSchema, Role, toJsonObject } from '#protocol';
import { InvalidOutputError, outputParts } from './agent-output.js';
import { OverLimitError } from './over-limit-error.js';
import { type SendRequest } from './send-request.js';
import { isLonger } from './text-size.js';

/** What bounds an answer. */
type AnswerLimits = Pick<Config, 'maxEventBytes' | 'maxPartsPerMessage'>;

/** The answer of the agent's `respond`, for a message that is to become no task; undefined where it is to become one. */
export async function answerDirectly(
  agent: Agent,
  send: SendRequest,
  context: CallContext,
  limits: AnswerLimits,
): Promise<Message | undefined> {
  if (!agent.respond || send.message.taskId !== '') return undefined;
  const signal = AbortSignal.any([context.signal, AbortSignal.timeout(agent.timeoutMs)]);
  const output = await respond(agent, send, context, signal);
  if (output === undefined || output === null) return undefined;
  return checked(() => {
    const { parts, metadata } = outputParts(output);
    const contextId = send.message.contextId || randomUUID();
    const message = create(MessageSchema, { messageId: randomUUID(), role: Role.AGENT, contextId, parts, metadata });
    assertBounded(message, limits);
    return message;
  });
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

/** What the author got wrong is for the log; the client learns that it was the agent. */
function checked(answer: () => Message): Message {
  try {
    return answer();
  } catch (error) {
    if (error instanceof InvalidOutputError) throw new A2AError('INVALID_AGENT_RESPONSE', { cause: error });
    throw error;
  }
}

function assertBounded(message: Message, { maxEventBytes, maxPartsPerMessage }: AnswerLimits): void {
  const count = message.parts.length;
  if (count > maxPartsPerMessage) {
    throw new OverLimitError(`the answer has ${count} parts; the limit is ${maxPartsPerMessage}`, 'PERDURE_MAX_PARTS');
  }
  if (isLonger(jsonText(MessageSchema, message), maxEventBytes)) {
    throw new OverLimitError(`the answer has more than ${maxEventBytes} bytes; that is the limit`, 'PERDURE_MAX_EVENT');
  }
}
