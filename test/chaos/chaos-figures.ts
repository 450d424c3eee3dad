import { type ChaosResult } from './chaos-run.js';
import { type ChaosHistory, type Violation, type ViolationKind } from './checks/history.js';
import { percentile, recoveries } from './checks/recovery.js';
import { endName } from './task-end.js';

/** The figures of a run, by name, in the order in which they are shown. */
export function figuresOf({ history, faults, repeated, settledMs }: ChaosResult, violations: readonly Violation[]) {
  const { client, database, handler } = history;
  const accepted = new Set(client.sends.filter(({ to }) => to === undefined).flatMap(({ tasks }) => tasks));
  const completed = database.tasks.filter(({ id, state }) => accepted.has(id) && endName(state) !== undefined).length;
  const count = (...kinds: ViolationKind[]) => violations.filter(({ kind }) => kinds.includes(kind)).length;
  const all = recoveries(history);
  const steps = database.records.filter(({ kind }) => kind === 'step').length;
  const effects = handler.filter(({ kind }) => kind === 'effect').length;
  return {
    faults: String(faults.length),
    'tasks accepted': String(accepted.size),
    'of them ended': String(completed),
    lost: String(count('lost', 'unanswered', 'unfinished', 'wrong end')),
    'doubled journal steps': String(count('doubled', 'two tasks under a key')),
    'gaps, doublets or disorder of events': String(count('gap')),
    'stale writes': String(count('stale write')),
    'ends that changed': String(count('end changed')),
    'answers that should not be': String(count('refused')),
    'recorded steps, and effects whose run was lost or canceled before the record': `${steps}, ${effects - steps}`,
    'streams read, events on them': streamText(client.subscriptions),
    ...webhookFigures(history, violations),
    'calls told to try again, calls whose line broke': `${repeated.refused}, ${repeated.broken}`,
    'kills, runs taken over': `${history.kills.length}, ${all.length}`,
    'kill to resume, p50 / p99': times(all.map(({ withWorkerMs }) => withWorkerMs)),
    'the same with the time in which no worker could': times(all.map(({ ms }) => ms)),
    'at rest after the last fault': seconds(settledMs),
  };
}

function webhookFigures({ webhooks: { hooks, arrivals } }: ChaosHistory, violations: readonly Violation[]) {
  const acknowledged = arrivals.filter((arrival) => arrival.acknowledged !== undefined).map(({ id }) => id);
  const events = new Set(acknowledged).size;
  const dropped = hooks.filter(({ goneAfter }) => goneAfter !== undefined).length;
  return {
    'webhooks, of them deleted': `${hooks.length}, ${dropped}`,
    'requests to them, events acknowledged, and once more than needed': `${arrivals.length}, ${events}, ${acknowledged.length - events}`,
    'events lost, out of order, changed, forged or late to a webhook': String(
      violations.filter(({ kind }) => kind.startsWith('webhook')).length,
    ),
  };
}

function streamText(subscriptions: ChaosResult['history']['client']['subscriptions']): string {
  const streams = subscriptions.flatMap((subscription) => subscription.streams);
  return `${streams.length}, ${streams.reduce((sum, { events }) => sum + events.length, 0)}`;
}

function times(values: readonly number[]): string {
  const [p50, p99] = [percentile(values, 0.5), percentile(values, 0.99)];
  return p50 === undefined || p99 === undefined ? 'none' : `${seconds(p50)} / ${seconds(p99)}`;
}

function seconds(ms: number): string {
  return `${(ms / 1_000).toFixed(1)} s`;
}
