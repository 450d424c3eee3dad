import { timestampDate } from '@bufbuild/protobuf/wkt';
import { jsonText, type StreamResponse, StreamResponseSchema, type TaskStatus, TaskStatusSchema } from '#protocol';

/** An event as it is stored, with what it changes in the task's row. */
export interface EncodedEvent {
  readonly response: StreamResponse;
  /** ProtoJSON of the response. */
  readonly text: string;
  /** The status it leads to: the state by number, and the ProtoJSON. */
  readonly status?: { readonly state: number; readonly text: string };
  /** When it happened: the time of its status, so that lists are sorted by the times that clients see. */
  readonly at: Date;
}

/** Encodes an event for the log. The status stands in both texts and is written once. */
export function encodeEvent(response: StreamResponse): EncodedEvent {
  const { payload } = response;
  if (payload.case !== 'statusUpdate' || !payload.value.status) {
    return { response, text: jsonText(StreamResponseSchema, response), at: new Date() };
  }
  const { status, taskId, contextId, metadata } = payload.value;
  const text = jsonText(TaskStatusSchema, status);
  const event = metadata
    ? jsonText(StreamResponseSchema, response)
    : `{"statusUpdate":{"taskId":${JSON.stringify(taskId)},"contextId":${JSON.stringify(contextId)},"status":${text}}}`;
  return { response, text: event, status: { state: status.state, text }, at: timeOf(status) };
}

function timeOf({ timestamp }: TaskStatus): Date {
  return timestamp ? timestampDate(timestamp) : new Date();
}
