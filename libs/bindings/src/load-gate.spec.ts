import { pino } from 'pino';
import { expect, it } from 'vitest';
import { LoadGate, weightOf } from './load-gate.js';

const MEGABYTE = 1024 ** 2;

/** A gate over a process whose load the test sets; `look` is what happens ten times a second. */
function gateOver(load: { pending?: number; loopDelayMs?: number; heapPercent?: number }) {
  const log: { msg: string; refused?: number; cause?: string }[] = [];
  const logger = pino({}, { write: (line: string) => void log.push(JSON.parse(line) as (typeof log)[number]) });
  const state = { pending: 0, loopDelayMs: 0, heapPercent: 0, ...load };
  let look: () => void = () => undefined;
  const settings = { maxCalls: 10, maxLoopDelayMs: 500, maxHeapPercent: 80, maxBodiesBytes: MEGABYTE };
  const measured = Object.assign(state, { start: (looked: () => void) => void (look = looked), stop: () => undefined });
  const gate = new LoadGate(settings, state, measured, logger);
  gate.onModuleInit();
  return { gate, state, log, look: () => look() };
}

it('lets everything pass up to its bounds', () => {
  const { gate } = gateOver({ pending: 9, loopDelayMs: 500, heapPercent: 80 });
  expect(gate.refusal('work', MEGABYTE)).toBeUndefined();
  expect(gate.refusal('look')).toBeUndefined();
});

it.each([
  ['calls', { pending: 10 }, { pending: 20 }],
  ['lateness', { loopDelayMs: 501 }, { loopDelayMs: 1_001 }],
])('refuses work beyond its bound of %s, and everything else only beyond twice that', (_what, full, overfull) => {
  const busy = gateOver(full).gate;
  expect(busy.refusal('work')).toMatchObject({ reason: 'UNAVAILABLE' });
  expect(busy.refusal('work')!.retryAfterMs).toBeGreaterThan(0);
  expect(() => busy.admit('work')).toThrow(/try again/);
  expect(busy.refusal('look')).toBeUndefined();
  expect(gateOver(overfull).gate.refusal('look')).toMatchObject({ reason: 'UNAVAILABLE' });
});

it('refuses where the heap is full, all but one call between two looks: what passes makes it be collected', () => {
  const { gate, state, look } = gateOver({ heapPercent: 85 });
  const passed = () => Array.from({ length: 5 }, () => gate.refusal('work')).filter((error) => !error).length;
  expect(passed()).toBe(1);
  expect(passed()).toBe(0);
  look();
  expect(passed()).toBe(1);
  expect(gate.refusal('look')).toBeUndefined();
  state.heapPercent = 91;
  expect(gate.refusal('look')).toMatchObject({ reason: 'UNAVAILABLE' });
});

it('refuses large bodies, and those alone, while others hold all that may be held', () => {
  const { gate } = gateOver({});
  expect(gate.hold(MEGABYTE - 1)).toBeUndefined();
  expect(gate.refusal('work', 15_000)).toBeUndefined();
  expect(gate.refusal('work', 20_000)).toMatchObject({ reason: 'UNAVAILABLE' });
  expect(gate.hold(2)).toMatchObject({ reason: 'UNAVAILABLE' });
  expect(gate.hold(-MEGABYTE - 1)).toBeUndefined();
  expect(gate.refusal('work', 20_000)).toBeUndefined();
});

it('logs that it begins, not each refusal', () => {
  const { gate, log, look } = gateOver({ pending: 10 });
  for (let i = 0; i < 3; i++) gate.refusal('work');
  look();
  expect(log).toMatchObject([{ msg: 'load.shed.begun', cause: 'calls' }]);
});

it('takes for work what brings a message', () => {
  const methods = ['SendMessage', 'SendStreamingMessage', 'GetTask', 'CancelTask', 'SubscribeToTask'];
  expect(methods.filter((name) => weightOf(name) === 'work')).toEqual(['SendMessage', 'SendStreamingMessage']);
});
