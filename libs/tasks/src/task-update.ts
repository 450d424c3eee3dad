import { type StreamResponse } from '#protocol';
import { type StoredEvent } from '#store';
import { responseOf } from './task-view.js';

/** One committed event of a task. */
export interface TaskUpdate {
  readonly sequence: number;
  readonly response: StreamResponse;
  /** ProtoJSON of the response, as stored. */
  readonly text: string;
}

/** An event as it was read from the log. */
export function updateOf(stored: StoredEvent): TaskUpdate {
  return { sequence: stored.sequence, response: responseOf(stored), text: stored.event };
}
