import { type FastifyRequest } from 'fastify';
import { TaskState } from '#protocol';
import {
  type FirstCall,
  isSignalName,
  isTaskId,
  type OperatorAction,
  type OperatorFilter,
  placeOf,
  type Selection,
  SIGNAL_NAME_RULE,
  WAITS,
} from '#tasks';
import { DEFAULT_TENANT } from '../address.js';
import { JSON_TYPE, parseJsonBody } from '../http/json-body.js';
import { decodeCursor } from './admin-cursor.js';
import { AdminFields } from './admin-fields.js';
import {
  cursorOf,
  isRoutingName,
  limitOf,
  type Limits,
  MAX_INTEGER,
  NAME_LENGTH,
  PAGING,
  routingName,
  tenantOf,
} from './admin-terms.js';

type TaskKey = Extract<Selection, { keys: unknown }>['keys'][number];
type CallPlace = NonNullable<ReturnType<typeof placeOf>>;

const FILTER = [
  'tenant',
  'agent',
  'context',
  'state',
  'reason',
  'dead',
  'open',
  'waitsFor',
  'olderThan',
  'youngerThan',
];
const SELECTION = ['tenant', 'ids', 'filter', 'dryRun', ...PAGING];
const ARGUMENTS: Readonly<Record<OperatorAction['kind'], readonly string[]>> = {
  retry: ['deadline'],
  redrive: ['deadline'],
  reset: ['deadline', 'to', 'toPlace'],
  cancel: [],
  signal: ['name', 'value', 'key'],
};

const STATES = Object.values(TaskState)
  .filter((state): state is TaskState => typeof state === 'number' && state !== TaskState.UNSPECIFIED)
  .map((state) => ({ state: state, name: `TASK_STATE_${TaskState[state]}` }));

/** A list of tasks as it was asked for. */
export interface ListRequest {
  readonly filter: OperatorFilter;
  readonly limit: number;
  readonly after?: TaskKey;
}

/** An action on tasks as it was asked for. */
export interface ActionRequest {
  readonly action: OperatorAction;
  readonly selection: Selection;
  readonly dryRun: boolean;
}

/** GET tasks. All readers here throw A2AError INVALID_PARAMS naming the field. */
export function listRequest({ url }: FastifyRequest, limits: Limits): ListRequest {
  const fields = AdminFields.ofQuery(url, [...FILTER, ...PAGING]);
  const filter = filterOf(fields);
  return { filter, limit: limitOf(fields, limits), after: decodeCursor(filter, cursorOf(fields), keyOfCursor) };
}

/** GET tasks/{id}, and below. */
export function taskRequest(request: FastifyRequest, known: readonly string[] = []) {
  const fields = AdminFields.ofQuery(request.url, ['tenant', ...known]);
  const { id = '' } = request.params as { id?: string };
  return { fields, key: { tenantId: tenantOf(fields) ?? DEFAULT_TENANT, taskId: id.toLowerCase() } };
}

/** GET tasks/{id}/events. */
export function eventsRequest(request: FastifyRequest, limits: Limits) {
  const { fields, key } = taskRequest(request, PAGING);
  const after = decodeCursor(key, cursorOf(fields), ([sequence]) => sequenceOf(sequence));
  return { key, limit: limitOf(fields, limits), after: after ?? 0 };
}

/** GET tasks/{id}/journal. */
export function journalRequest(request: FastifyRequest, limits: Limits) {
  const { fields, key } = taskRequest(request, ['turn', 'place', ...PAGING]);
  const turn = fields.integer('turn', 1, MAX_INTEGER);
  const list = { ...key, turn };
  const after = decodeCursor(list, cursorOf(fields), ([place]) => placeOf(String(place)));
  return { key, turn, list, place: placeIn(fields, 'place'), limit: limitOf(fields, limits), after };
}

/** POST tasks/{action}. */
export function actionRequest(kind: OperatorAction['kind'], request: FastifyRequest, limits: Limits): ActionRequest {
  const fields = AdminFields.of(parseJsonBody(request, [JSON_TYPE]), [...SELECTION, ...ARGUMENTS[kind]], '');
  return {
    action: actionOf(kind, fields),
    selection: selectionOf(kind, fields, limits),
    dryRun: fields.flag('dryRun'),
  };
}

function actionOf(kind: OperatorAction['kind'], fields: AdminFields): OperatorAction {
  if (kind === 'cancel') return { kind };
  if (kind === 'signal') {
    const name = fields.text('name', NAME_LENGTH) ?? fields.refuse('name', 'is required');
    if (!isSignalName(name)) fields.refuse('name', `must be ${SIGNAL_NAME_RULE}`);
    return { kind, name, value: fields.value('value'), key: fields.text('key', NAME_LENGTH) };
  }
  return { kind, deadlineMs: deadlineOf(fields), first: kind === 'reset' ? firstOf(fields) : undefined };
}

function deadlineOf(fields: AdminFields): number | null | undefined {
  if (fields.value('deadline') === 'none') return null;
  const ms = fields.durationMs('deadline');
  return ms === 0 ? fields.refuse('deadline', 'must be longer than 0, or none') : ms;
}

function firstOf(fields: AdminFields): FirstCall | undefined {
  const name = fields.text('to', NAME_LENGTH);
  const place = placeIn(fields, 'toPlace');
  if (name !== undefined && place) fields.refuse('toPlace', 'cannot be given beside to');
  return place ? { place } : name === undefined ? undefined : { name };
}

function placeIn(fields: AdminFields, name: string): CallPlace | undefined {
  const text = fields.text(name, NAME_LENGTH);
  if (text === undefined) return undefined;
  return placeOf(text) ?? fields.refuse(name, 'must be a place as the journal shows it, such as 3 or 3.left.2');
}

function selectionOf(kind: OperatorAction['kind'], fields: AdminFields, limits: Limits): Selection {
  const ids = fields.texts('ids', limits.pageSizeMax, isTaskId, 'must be the id of a task, a UUID');
  const given = fields.object('filter', FILTER);
  if (ids && given) fields.refuse('filter', 'cannot be given beside ids');
  if (ids) {
    for (const name of PAGING) if (fields.has(name)) fields.refuse(name, 'is for a filter, and there are ids');
    const tenantId = tenantOf(fields) ?? DEFAULT_TENANT;
    return { keys: ids.map((id) => ({ tenantId, taskId: id.toLowerCase() })) };
  }
  if (!given) return fields.refuse('ids', 'is required, or filter');
  if (fields.has('tenant')) fields.refuse('tenant', 'is for ids; use filter.tenant');
  const filter = filterOf(given);
  // Dead letters are a choice already.
  if (kind !== 'redrive' && Object.values(filter).every((value) => value === undefined)) {
    fields.refuse('filter', 'must say which tasks: an empty one would be all of them');
  }
  const after = decodeCursor({ kind, ...filter }, cursorOf(fields), keyOfCursor);
  return { filter, limit: limitOf(fields, limits), after };
}

function filterOf(fields: AdminFields): OperatorFilter {
  return {
    tenantId: tenantOf(fields),
    agent: routingName(fields, 'agent'),
    contextId: fields.text('context', NAME_LENGTH),
    state: stateOf(fields),
    reason: fields.text('reason', NAME_LENGTH),
    dead: fields.flag('dead') || undefined,
    open: fields.flag('open') || undefined,
    waitsFor: fields.oneOf('waitsFor', WAITS),
    olderThanMs: fields.durationMs('olderThan'),
    youngerThanMs: fields.durationMs('youngerThan'),
  };
}

function stateOf(fields: AdminFields): number | undefined {
  const names = STATES.map(({ name }) => name);
  const name = fields.oneOf('state', names);
  return STATES.find((entry) => entry.name === name)?.state;
}

function keyOfCursor([tenantId, taskId]: readonly unknown[]): TaskKey | undefined {
  const isKey = isRoutingName(tenantId) && typeof taskId === 'string' && isTaskId(taskId);
  return isKey ? { tenantId, taskId } : undefined;
}

function sequenceOf(value: unknown): number | undefined {
  return Number.isInteger(value) && (value as number) >= 0 && (value as number) <= MAX_INTEGER
    ? (value as number)
    : undefined;
}
