import { create } from '@bufbuild/protobuf';
import {
  A2AError,
  type A2AOperations,
  type CallContext,
  GetTaskRequestSchema,
  isTerminal,
  type Sequenced,
  type StreamResponse,
  StreamResponseSchema,
  type SubscribeToTaskRequest,
  TaskState,
} from '#protocol';

/** Subscribes as 0.3 does: a task that has ended is sent once, as it is, where 1.0 refuses. */
export async function* subscribeOrRead(
  operations: A2AOperations,
  request: SubscribeToTaskRequest,
  context: CallContext,
): AsyncIterable<Sequenced<StreamResponse>> {
  let begun = false;
  try {
    for await (const event of operations.subscribeToTask(request, context)) {
      begun = true;
      yield event;
    }
  } catch (error) {
    if (begun || !(error instanceof A2AError) || error.reason !== 'UNSUPPORTED_OPERATION') throw error;
    const task = await operations.getTask(create(GetTaskRequestSchema, { id: request.id }), context);
    if (!isTerminal(task.status?.state ?? TaskState.UNSPECIFIED)) throw error;
    yield { sequence: 0, message: create(StreamResponseSchema, { payload: { case: 'task', value: task } }) };
  }
}
