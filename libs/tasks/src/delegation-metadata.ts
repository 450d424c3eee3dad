import { randomBytes } from 'node:crypto';
import { type JsonObject } from '@bufbuild/protobuf';
import { SCHEDULING_EXTENSION } from '#agents';

/** The key in a request's metadata under which an agent that delegates says `{ depth }`: how many stand above its peer. */
export const DELEGATION_KEY = 'https://perdure.dev/extensions/delegation/v1';

const TRACEPARENT = /^00-([0-9a-f]{32})-[0-9a-f]{16}-([0-9a-f]{2})$/;

/** What a delegated message carries of the task that sends it. */
export interface DelegationOrigin {
  readonly taskId: string;
  /** The metadata of the requests that have come to that task. */
  readonly metadata: readonly JsonObject[];
}

/** How often the work was delegated before it came to this task: 0 where a client has sent it. */
export function delegationDepth({ metadata }: DelegationOrigin): number {
  return Math.max(0, ...metadata.map(depthIn));
}

/** Whether an agent has sent a message with this metadata, and may be waiting for what comes of it. */
export function isDelegated(metadata: JsonObject): boolean {
  return depthIn(metadata) > 0;
}

/** The metadata that goes to the peer: the author's own, how deep it is, the trace, and by when a new task has to end. */
export function delegatedMetadata(own: JsonObject, origin: DelegationOrigin, deadline: Date | undefined): JsonObject {
  return {
    ...own,
    [DELEGATION_KEY]: { depth: delegationDepth(origin) + 1 },
    traceparent: traceparent(origin),
    ...(deadline && { [SCHEDULING_EXTENSION.uri]: { deadline: deadline.toISOString() } }),
  };
}

function depthIn(metadata: JsonObject): number {
  const given = metadata[DELEGATION_KEY];
  const depth = typeof given === 'object' && given !== null && !Array.isArray(given) ? given.depth : undefined;
  return typeof depth === 'number' && Number.isSafeInteger(depth) && depth > 0 ? depth : 0;
}

/** A span of the trace (W3C Trace Context) that the task belongs to; a task without one is the root of its own. */
function traceparent({ taskId, metadata }: DelegationOrigin): string {
  const span = randomBytes(8).toString('hex');
  for (const { traceparent: given } of metadata) {
    const [, trace, flags] = (typeof given === 'string' ? TRACEPARENT.exec(given) : null) ?? [];
    if (trace !== undefined) return `00-${trace}-${span}-${flags}`;
  }
  return `00-${taskId.replaceAll('-', '')}-${span}-01`;
}
