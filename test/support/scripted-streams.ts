import { create } from '@bufbuild/protobuf';
import { type Sequenced, type StreamResponse, StreamResponseSchema } from '#protocol';
import { deferred } from './scripted-server.js';

/** The status event of that number; `text` makes it larger. */
export function statusEvent(sequence: number, text = ''): Sequenced<StreamResponse> {
  const value = { $typeName: 'lf.a2a.v1.TaskStatusUpdateEvent' as const, taskId: 't-1', contextId: `c${text}` };
  return { sequence, message: create(StreamResponseSchema, { payload: { case: 'statusUpdate', value } }) };
}

/** A stream that gives one event and then waits for ever, deaf to everything but `return`; `returned` tells of that. */
export function deafStream() {
  const returned = deferred();
  const events = [statusEvent(1)];
  const source: AsyncIterable<Sequenced<StreamResponse>> = {
    [Symbol.asyncIterator]: () => ({
      next: () => {
        const value = events.shift();
        return value ? Promise.resolve({ done: false, value }) : new Promise(() => undefined);
      },
      return: async () => {
        returned.resolve();
        return { done: true, value: undefined };
      },
    }),
  };
  return { source, returned: returned.promise };
}
