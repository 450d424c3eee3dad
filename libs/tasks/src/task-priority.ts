import { type JsonObject } from '@bufbuild/protobuf';
import { PRIORITY_EXTENSION } from '#agents';
import { A2AError } from '#protocol';

const FIELD = `metadata["${PRIORITY_EXTENSION.uri}"]`;
const LEVELS: readonly unknown[] = ['high', 'normal', 'low'];

/** The priority of a task whose client has not said any. */
export const NORMAL_PRIORITY = 1;

/**
 * What a caller says by the priority extension, in the metadata of its request: 0 high, 1 normal, 2 low; undefined where it says
 * nothing.
 * @throws A2AError INVALID_PARAMS naming the field.
 */
export function taskPriority(metadata: JsonObject | undefined): number | undefined {
  const given = metadata?.[PRIORITY_EXTENSION.uri];
  if (given === undefined) return undefined;
  const priority = LEVELS.indexOf(given);
  if (priority < 0) throw A2AError.invalidParams(FIELD, 'must be low, normal or high');
  return priority;
}

/** @throws A2AError INVALID_PARAMS: a task keeps the priority that it was made with. */
export function refusePriority(priority: number | undefined): void {
  if (priority !== undefined)
    throw A2AError.invalidParams(FIELD, 'is for a new task: this message goes to an existing one');
}
