import { A2AError, isSettled, TaskState } from '#protocol';

/** What the body of a callback says. */
export interface CallbackNotice {
  /** The peer's task. */
  readonly taskId: string;
  /** Whether whoever waits for the task should look at it: not for a chunk of an artifact, or while it works. */
  readonly isNews: boolean;
}

type Fields = Readonly<Record<string, unknown>>;

const EVENTS = ['task', 'message', 'statusUpdate', 'artifactUpdate'] as const;
type EventKind = (typeof EVENTS)[number];

/** The names of the same in 0.3. */
const LEGACY_KINDS: ReadonlyMap<unknown, EventKind> = new Map([
  ['task', 'task'],
  ['message', 'message'],
  ['status-update', 'statusUpdate'],
  ['artifact-update', 'artifactUpdate'],
]);

/**
 * Reads a callback: a StreamResponse of A2A 1.0 (specification section 4.3.3), or the Task, or the event, of 0.3. Nothing but the
 * names is read: what is true is asked for. Throws A2AError INVALID_PARAMS.
 */
export function readNotice(body: unknown): CallbackNotice {
  const fields = isFields(body) ? body : {};
  const [kind, event] = eventIn(fields);
  const taskId = kind === 'task' ? event.id : event.taskId;
  if (typeof taskId !== 'string' || taskId === '') {
    throw A2AError.invalidParams(kind === 'task' ? 'task.id' : `${kind}.taskId`, 'must name the task');
  }
  return { taskId, isNews: isNews(kind, event) };
}

function eventIn(fields: Fields): readonly [EventKind, Fields] {
  const legacy = LEGACY_KINDS.get(fields.kind);
  if (legacy) return [legacy, fields];
  const found = EVENTS.filter((name) => isFields(fields[name]));
  const [name] = found;
  if (name === undefined || found.length > 1)
    throw A2AError.invalidParams('body', `must be one of ${EVENTS.join(', ')}`);
  return [name, fields[name] as Fields];
}

/** A state that nobody knows may be anything: it is looked at. */
function isNews(kind: EventKind, { status }: Fields): boolean {
  if (kind === 'artifactUpdate') return false;
  const state = isFields(status) ? status.state : undefined;
  const known = typeof state === 'string' ? stateNamed(state) : undefined;
  return known === undefined || isSettled(known);
}

/** `TASK_STATE_INPUT_REQUIRED` of 1.0, `input-required` of 0.3. */
function stateNamed(text: string): TaskState | undefined {
  const name = text
    .replace(/^TASK_STATE_/, '')
    .replaceAll('-', '_')
    .toUpperCase();
  const state = TaskState[name as keyof typeof TaskState] as TaskState | undefined;
  return typeof state === 'number' && state !== TaskState.UNSPECIFIED ? state : undefined;
}

function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
