/** The states after which nothing comes, by number and name. */
const ENDS = new Map([
  [3, 'TASK_STATE_COMPLETED'],
  [4, 'TASK_STATE_FAILED'],
  [5, 'TASK_STATE_CANCELED'],
  [7, 'TASK_STATE_REJECTED'],
]);
const NAMES = new Set(ENDS.values());

export function isEnd(state: string): boolean {
  return NAMES.has(state);
}

/** The name of an end, undefined for another state. */
export function endName(state: number): string | undefined {
  return ENDS.get(state);
}
