import { type JsonObject, type JsonValue } from '@bufbuild/protobuf';
import { describe, expect, it } from 'vitest';
import { SCHEDULING_EXTENSION } from '#agents';
import { type A2AError } from '#protocol';
import { type TaskSchedule, taskSchedule } from './task-schedule.js';

const HOUR_MS = 3_600_000;
const FIELD = `metadata["${SCHEDULING_EXTENSION.uri}"]`;
const given = (schedule: JsonValue): JsonObject => ({ other: 1, [SCHEDULING_EXTENSION.uri]: schedule });

function violations(schedule: JsonValue): string[] {
  try {
    taskSchedule(given(schedule));
  } catch (error) {
    return (error as A2AError).violations.map(({ field, description }) => `${field} ${description}`);
  }
  return [];
}

function inMs(time: Date | undefined): number {
  return time!.getTime() - Date.now();
}

describe(taskSchedule, () => {
  it.each([[undefined], [{}], [{ startAt: '1h' }], [given({})]])('is open where nothing is said: %j', (metadata) => {
    expect(taskSchedule(metadata)).toEqual({} satisfies TaskSchedule);
  });

  it('counts durations from now', () => {
    const { startAt, deadline } = taskSchedule(given({ startAt: '15m', deadline: '1.5h' }));
    expect(inMs(startAt)).toBeCloseTo(HOUR_MS / 4, -4);
    expect(inMs(deadline)).toBeCloseTo(HOUR_MS * 1.5, -4);
  });

  it.each([
    ['2031-02-03T04:05:06Z', '2031-02-03T04:05:06.000Z'],
    ['2031-02-03t04:05:06.789123z', '2031-02-03T04:05:06.789Z'],
    ['2031-02-03T04:05:06+02:00', '2031-02-03T02:05:06.000Z'],
  ])('takes the time %s', (text, time) => {
    expect(taskSchedule(given({ startAt: text })).startAt).toEqual(new Date(time));
  });

  it.each(['0', '0s', '2001-01-01T00:00:00Z'])('begins at once where the start is not later: %s', (startAt) => {
    expect(taskSchedule(given({ startAt, deadline: '1s' }))).toEqual({ deadline: expect.any(Date) });
  });

  it.each<JsonValue>([
    ...['soon', '', '-1h', '1', '2031-02-03', '2031-02-30T00:00:00Z', '2031-13-01T00:00:00Z', '2031-02-03T04:05:06'],
    ...[5, null, true, [], {}, '2031-02-03 04:05:06Z', '2031-02-03T25:00:00Z'],
  ])('refuses %j, and says what it takes', (value) => {
    const wanted = 'must be an RFC 3339 time such as 2027-01-31T08:00:00Z, or a duration such as 90s, 15m, 24h or 7d';
    expect(violations({ startAt: value, deadline: value })).toEqual([
      `${FIELD}.startAt ${wanted}`,
      `${FIELD}.deadline ${wanted}`,
    ]);
  });

  it.each<[JsonValue, string]>([
    ['1h', ' must be an object with startAt, deadline or both'],
    [null, ' must be an object with startAt, deadline or both'],
    [{ startat: '1h' }, ' has other fields than startAt and deadline'],
    [{ startAt: '4000d' }, '.startAt is more than ten years away'],
    [{ deadline: '9999-01-01T00:00:00Z' }, '.deadline is more than ten years away'],
    [{ deadline: '2001-01-01T00:00:00Z' }, '.deadline has passed'],
    [{ deadline: '0' }, '.deadline has passed'],
    [{ startAt: '1h', deadline: '1h' }, '.deadline must be later than startAt'],
    [{ startAt: '1h', deadline: '2001-01-01T00:00:00Z' }, '.deadline must be later than startAt'],
  ])('refuses %j', (schedule, fact) => {
    expect(violations(schedule)).toEqual([FIELD + fact]);
  });
});
