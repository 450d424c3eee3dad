import { type JsonObject } from '@bufbuild/protobuf';
import { SCHEDULING_EXTENSION } from '#agents';
import { parseDuration } from '#platform';
import { A2AError, type FieldViolation } from '#protocol';

/** When a task is to begin, and by when it has to have ended; undefined where the caller leaves it open. */
export interface TaskSchedule {
  /** Later than now. */
  readonly startAt?: Date;
  /** Later than now, and than `startAt`. */
  readonly deadline?: Date;
}

const FIELD = `metadata["${SCHEDULING_EXTENSION.uri}"]`;
const FIELDS = ['startAt', 'deadline'] as const;
const WANTED = 'must be an RFC 3339 time such as 2027-01-31T08:00:00Z, or a duration such as 90s, 15m, 24h or 7d';
const RFC_3339 = /^(\d{4}-\d{2}-\d{2})[Tt]\d{2}:\d{2}:\d{2}(\.\d+)?([Zz]|[+-]\d{2}:\d{2})$/;
const FARTHEST_MS = 3_653 * 86_400_000;

/**
 * What a caller says by the scheduling extension, in the metadata of its request. Durations count from `now` (milliseconds
 * since 1970); a start that has passed is at once.
 * @throws A2AError INVALID_PARAMS naming the fields.
 */
export function taskSchedule(metadata: JsonObject | undefined, now = Date.now()): TaskSchedule {
  const given = metadata?.[SCHEDULING_EXTENSION.uri];
  if (given === undefined) return {};
  if (typeof given !== 'object' || given === null || Array.isArray(given)) {
    throw A2AError.invalidParams(FIELD, 'must be an object with startAt, deadline or both');
  }
  return checked(given, now);
}

/** @throws A2AError INVALID_PARAMS: only a new task can be scheduled. */
export function refuseSchedule({ startAt, deadline }: TaskSchedule): void {
  if (startAt || deadline)
    throw A2AError.invalidParams(FIELD, 'is for a new task: this message goes to an existing one');
}

function checked(given: JsonObject, now: number): TaskSchedule {
  const violations: FieldViolation[] = Object.keys(given)
    .filter((field) => !FIELDS.some((known) => known === field))
    .map(() => ({ field: FIELD, description: 'has other fields than startAt and deadline' }))
    .slice(0, 1);
  const times: Partial<Record<(typeof FIELDS)[number], number>> = {};
  for (const field of FIELDS) {
    const value = given[field];
    if (value === undefined) continue;
    const time = timeOf(value, now);
    const description =
      time === undefined ? WANTED : time - now > FARTHEST_MS ? 'is more than ten years away' : undefined;
    if (description) violations.push({ field: `${FIELD}.${field}`, description });
    times[field] = time;
  }
  const { deadline } = times;
  const startAt = times.startAt !== undefined && times.startAt > now ? times.startAt : undefined;
  if (deadline !== undefined && deadline <= (startAt ?? now)) {
    const description = startAt === undefined ? 'has passed' : 'must be later than startAt';
    violations.push({ field: `${FIELD}.deadline`, description });
  }
  if (violations.length > 0) throw A2AError.invalidParams(violations);
  return { startAt: dateOf(startAt), deadline: dateOf(deadline) };
}

/** Milliseconds since 1970; undefined for what is no time. */
function timeOf(value: unknown, now: number): number | undefined {
  if (typeof value !== 'string') return undefined;
  const day = RFC_3339.exec(value)?.[1];
  if (day !== undefined) return isDay(day) ? numberOf(Date.parse(value)) : undefined;
  try {
    return now + parseDuration(value);
  } catch {
    return undefined;
  }
}

/** Date.parse takes the 31st of a short month for the first of the next one. */
function isDay(day: string): boolean {
  const time = Date.parse(`${day}T00:00:00Z`);
  return !Number.isNaN(time) && new Date(time).toISOString().startsWith(day);
}

function numberOf(time: number): number | undefined {
  return Number.isNaN(time) ? undefined : time;
}

function dateOf(time: number | undefined): Date | undefined {
  return time === undefined ? undefined : new Date(time);
}
