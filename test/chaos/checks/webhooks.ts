import { Webhook } from 'standardwebhooks';
import { type StreamResponseJson } from '#protocol';
import { eventText } from '../event-text.js';
import { grouped } from './grouped.js';
import { type Arrival, type ChaosHistory, type Check, type Hook, type StoredHook, type Violation } from './history.js';

/** An arrival with its place among all of them, and what its id says. */
interface Delivery extends Arrival {
  /** How many came before it. */
  readonly n: number;
  readonly uid: string;
  readonly sequence: number;
}

/** One webhook with all there is of it. */
interface Line {
  readonly hook: Hook;
  readonly stored: StoredHook | undefined;
  readonly deliveries: readonly Delivery[];
  /** The task's log. */
  readonly events: readonly StreamResponseJson[];
}

const ID = /^([0-9a-f-]{36})_([1-9]\d*)$/;

/**
 * Every event since a webhook was made is acknowledged at least once, in order, none before the one before it was; under one
 * id, with the same bytes and a valid signature each time, and with what the log says; and none comes after the answer to
 * its deletion.
 */
export const webhooks: Check = (history) => {
  const lines = linesOf(history);
  return [
    ...strangers(history, lines),
    ...lines.flatMap((line) => {
      const of = (kind: Violation['kind'], facts: readonly string[]): Violation[] =>
        facts.map((fact) => ({ kind, task: line.hook.task, fact: `${line.hook.id}: ${fact}` }));
      return [
        ...of('webhook lost', lost(line)),
        ...of('webhook disorder', disorder(line)),
        ...of('webhook changed', changed(line)),
        ...of('webhook forged', forged(line)),
        ...of('webhook after its end', afterItsEnd(line)),
      ];
    }),
  ];
};

function linesOf({ webhooks: { hooks, arrivals }, database }: ChaosHistory): Line[] {
  const stored = new Map(database.hooks.map((hook) => [`${hook.task} ${hook.id}`, hook]));
  const logs = grouped(database.events, ({ task }) => task);
  const all = arrivals.map((arrival, n) => {
    const [, uid = '', sequence] = ID.exec(arrival.id) ?? [];
    return { ...arrival, n, uid, sequence: Number(sequence) };
  });
  const deliveries = grouped(all, ({ hook }) => hook);
  return hooks
    .filter(({ task }) => task !== '')
    .map((hook) => ({
      hook,
      stored: stored.get(`${hook.task} ${hook.id}`),
      deliveries: deliveries.get(hook.id) ?? [],
      events: (logs.get(hook.task) ?? []).map(({ event }) => JSON.parse(event) as StreamResponseJson),
    }));
}

/** Requests to addresses that no client has named. */
function strangers({ webhooks: { arrivals } }: ChaosHistory, lines: readonly Line[]): Violation[] {
  const known = new Set(lines.map(({ hook }) => hook.id));
  return arrivals
    .filter(({ hook }) => !known.has(hook))
    .map(({ hook, id }) => ({ kind: 'webhook forged', fact: `${id} went to ${hook}, which is nobody's` }));
}

function lost({ hook, stored, deliveries, events }: Line): string[] {
  if (hook.isDropped) return [];
  const after = stored?.isDropped === false ? stored.after : null;
  if (after === null) return ['was made, and is not there'];
  const acknowledged = new Set(
    deliveries.filter((each) => each.acknowledged !== undefined).map(({ sequence }) => sequence),
  );
  const expected = events.map((_, index) => index + 1).slice(after);
  return expected
    .filter((sequence) => !acknowledged.has(sequence))
    .map((sequence) => `event ${sequence} of ${events.length} was never acknowledged`);
}

function disorder({ stored, deliveries }: Line): string[] {
  const acknowledged = new Map<number, number>();
  for (const { sequence, acknowledged: at } of deliveries)
    if (at !== undefined) acknowledged.set(sequence, Math.min(at, acknowledged.get(sequence) ?? Infinity));
  let newest = stored?.after ?? 0;
  const first = newest + 1;
  return deliveries.flatMap(({ sequence, n }) => {
    if (sequence < first) return [`event ${sequence} is from before the webhook, which begins with ${first}`];
    if (sequence <= newest) return [];
    const before = newest;
    newest = sequence;
    if (sequence !== before + 1) return [`event ${sequence} came after event ${before}`];
    const isTooEarly = sequence > first && !((acknowledged.get(before) ?? Infinity) <= n);
    return isTooEarly ? [`event ${sequence} came before event ${before} was acknowledged`] : [];
  });
}

function changed({ hook, stored, deliveries, events }: Line): string[] {
  const bodies = new Map<string, string>();
  return deliveries.flatMap(({ id, uid, sequence, body }) => {
    const facts: string[] = [];
    if (uid !== stored?.uid) facts.push(`the id ${id} is not of ${stored?.uid}`);
    // Half a request says nothing.
    if (body === undefined) return facts;
    if (bodies.has(id) && bodies.get(id) !== body) facts.push(`${id} came with other bytes`);
    bodies.set(id, body);
    const wrong = mistake(body, hook.task, events.slice(0, sequence));
    return wrong === undefined ? facts : [...facts, `${id} ${wrong}`];
  });
}

/** What the body says otherwise than the log: of A2A 1.0 the event, of 0.3 the task as that event has left it. */
function mistake(body: string, task: string, events: readonly StreamResponseJson[]): string | undefined {
  const said = JSON.parse(body) as StreamResponseJson & { kind?: string; id?: string; status?: { state: string } };
  if (said.kind === 'task') {
    const state = events.findLast((event) => stateOf(event) !== undefined);
    const expected = `${task} ${state && stateOf(state)}`;
    const found = `${said.id} TASK_STATE_${said.status?.state.toUpperCase().replaceAll('-', '_')}`;
    return found === expected ? undefined : `says "${found}", the log has "${expected}"`;
  }
  const event = events.at(-1);
  const [found, expected] = [eventText(said), event && eventText(event)];
  return found === expected ? undefined : `says "${found}", the log has "${expected}"`;
}

function stateOf({ task, statusUpdate }: StreamResponseJson): string | undefined {
  return (task ?? statusUpdate)?.status?.state;
}

function forged({ hook, deliveries }: Line): string[] {
  const key = hook.secret === undefined ? undefined : new Webhook(hook.secret);
  return deliveries.flatMap(({ id, timestamp, signature, token, body }) => {
    if (body === undefined) return [];
    if (token !== hook.id) return [`${id} has the token "${token}"`];
    // A clock that is off is a fault of the suite's, so that the time itself is not looked at.
    const expected = key?.sign(id, new Date(Number(timestamp) * 1_000), body);
    const isSigned = expected === undefined || signature.split(' ').includes(expected);
    return isSigned ? [] : [`${id} is not signed with its secret: ${signature}`];
  });
}

function afterItsEnd({ hook, deliveries }: Line): string[] {
  const late = deliveries.filter(({ n }) => n >= (hook.goneAfter ?? Infinity));
  return late.map(({ id }) => `${id} came after the answer to the deletion`);
}
