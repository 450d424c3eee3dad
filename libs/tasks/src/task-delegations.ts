import { type Signals } from '#platform';
import { type DelegationKey, type DelegationOutcome, type NewDelegation, type Store, type TaskKey } from '#store';
import { topicKey } from './topic-key.js';

/** Where followers are told that something has happened to a task that delegates or was delegated, by `tenant/task`. */
export const DELEGATION_SIGNALS = 'delegations';

/** The signal that tells a task what came of a delegation. */
export function delegationSignal(id: string): `$${string}` {
  return `$delegation:${id}`;
}

/** What tasks delegate, from the side of those who wait for it. Sending and following is somebody else's work. */
export class TaskDelegations {
  constructor(
    private readonly store: Store,
    private readonly signals: Signals,
  ) {}

  /** Hands a message over to the followers, once for each id; answers with what stands of it. */
  async send(delegation: NewDelegation): Promise<DelegationOutcome | undefined> {
    if (!(await this.store.delegations.add(this.store.db, delegation))) return this.outcome(delegation);
    this.changed(delegation);
    return undefined;
  }

  outcome(key: DelegationKey): Promise<DelegationOutcome | undefined> {
    return this.store.delegations.outcome(this.store.db, key);
  }

  /** The client's answer to what a peer has asked is on its way: its question is settled. */
  async answered(key: DelegationKey): Promise<void> {
    await this.store.delegations.answered(this.store.db, key);
  }

  /** Something has happened to a task that delegates, or was delegated. May be lost: followers look by themselves too. */
  changed(key: TaskKey): void {
    this.signals.publish(DELEGATION_SIGNALS, topicKey(key));
  }
}
