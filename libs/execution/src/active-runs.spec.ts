import { setImmediate as nextTurn } from 'node:timers/promises';
import { describe, expect, it, onTestFinished } from 'vitest';
import { loadConfig, type Logger, Signals } from '#platform';
import { type Store } from '#store';
import { ABORT_SIGNALS, topicKey } from '#tasks';
import { ActiveRuns } from './active-runs.js';

const lease = { tenantId: 'acme', taskId: '01890000-0000-7000-8000-000000000000', token: 1 };

describe(ActiveRuns, () => {
  it('stops a run whose task is canceled before this process has heard of its acceptance', async () => {
    // The cancel has raised the token: no lease of these holds any more.
    const store = { leases: { renew: async () => new Set<string>() } } as unknown as Store;
    const signals = Signals.over('postgres://nowhere', loadConfig({}), {} as Logger);
    const runs = new ActiveRuns(store, signals, { leaseMs: 60_000 }, {} as Logger);
    runs.start();
    onTestFinished(() => runs.stop());
    let accept: () => void = () => undefined;
    const run = runs.add(lease, new Promise((resolve) => (accept = resolve)));
    signals.publish(ABORT_SIGNALS, topicKey(lease));
    await nextTurn();
    expect(run.stopReason).toBeUndefined();
    accept();
    await nextTurn();
    expect(run.stopReason).toMatchObject({ message: 'the lease is lost' });
  });
});
