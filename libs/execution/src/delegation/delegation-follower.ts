import { setTimeout as delay } from 'node:timers/promises';
import { type Config, Loop, type Signals } from '#platform';
import { isSettled } from '#protocol';
import { type ClaimedDelegation, type DelegationPause, DelegationState, type TaskKey } from '#store';
import { CALLBACK_SIGNALS, DELEGATION_SIGNALS, type TaskCallbacks, topicKey } from '#tasks';
import { DelegationLook, type LookParts, pauseAfter } from './delegation-look.js';
import { LocalPeer, type LocalPeerParts } from './local-peer.js';
import { PeerWire } from './peer-wire.js';
import { type Peer } from './peer.js';
import { RemotePeer } from './remote-peer.js';
import { RemotePeers } from './remote-peers.js';

/** Looks at once, those that watch a stream not counted. */
const MAX_LOOKS = 50;
const POLL_MS = 1_000;
/** What is due and was not claimed is another process' for the moment. */
const SOON_MS = 20;

interface ActiveLook {
  readonly delegation: ClaimedDelegation;
  readonly stop: AbortController;
  /** Ends a stream that the look reads. */
  stopWatching?: () => void;
  /** The peer has called since it began. */
  isCalled: boolean;
  ended: Promise<void>;
}

type FollowerConfig = LookParts['config'] &
  Pick<Config, 'leaseMs' | 'peers' | 'peerTimeoutMs' | 'peerResponseBytes' | 'maxPeerStreams'>;

/**
 * Looks after the delegations of all tasks: sends their messages, follows what the peers make of them, and tells the
 * tasks. What waits is a row; any process may take the next look. It comes when it is due, or when a signal says that
 * something has happened.
 */
export class DelegationFollower {
  private readonly loop: Loop;
  private readonly wire: PeerWire;
  private readonly remotePeers: RemotePeers;
  private readonly looks = new Set<ActiveLook>();
  private readonly changed = new Map<string, TaskKey>();
  private readonly stopping = new AbortController();
  private keeping: Promise<void> | undefined;
  private watching = 0;

  constructor(
    private readonly parts: LookParts &
      LocalPeerParts & {
        readonly signals: Signals;
        readonly callbacks: TaskCallbacks;
        readonly config: FollowerConfig;
      },
  ) {
    const { config } = parts;
    this.loop = new Loop('delegations', POLL_MS, parts.logger, () => this.lookAtAll());
    this.wire = new PeerWire(config);
    this.remotePeers = new RemotePeers(this.wire);
  }

  start(): void {
    this.keeping = this.keepLeases();
    const { signals } = this.parts;
    const subscriptions = [
      signals.subscribe(DELEGATION_SIGNALS, (keys) => this.notice(keys)),
      signals.subscribe(CALLBACK_SIGNALS, (keys) => this.noticeCalls(keys)),
    ];
    this.loop.start(() => subscriptions.forEach((unsubscribe) => unsubscribe()));
  }

  /** Gives everything back to the other processes. */
  async stop(): Promise<void> {
    this.stopping.abort();
    await this.loop.stop();
    for (const { stop } of this.looks) stop.abort(new Error('the process is stopping'));
    await Promise.all([...this.looks].map(({ ended }) => ended));
    await this.keeping;
    await this.wire.stop();
  }

  private notice(keys: ReadonlySet<string> | 'all'): void {
    if (keys !== 'all') for (const key of keys) this.changed.set(key, keyOf(key));
    for (const { delegation, stopWatching } of this.looks) {
      if (keys === 'all' || keys.has(topicKey(delegation))) stopWatching?.();
    }
    this.loop.wake();
  }

  /** What has to be looked at is due already; the loop has to know. Who calls need not be watched any more. */
  private noticeCalls(ids: ReadonlySet<string> | 'all'): void {
    for (const look of this.looks) {
      if (ids === 'all' || !ids.has(look.delegation.id)) continue;
      look.isCalled = true;
      look.stopWatching?.();
    }
    this.loop.wake();
  }

  private async lookAtAll(): Promise<number> {
    await this.hasten();
    let nextMs = await this.nextDueMs();
    while (nextMs === 0 && this.room > 0 && (await this.claim()).length > 0) nextMs = await this.nextDueMs();
    // The end of a look makes room, and wakes the loop.
    return this.room > 0 ? Math.max(nextMs, SOON_MS) : POLL_MS;
  }

  private async nextDueMs(): Promise<number> {
    const { store } = this.parts;
    return (await store.delegations.nextDueMs(store.db)) ?? POLL_MS;
  }

  private async hasten(): Promise<void> {
    const keys = [...this.changed.values()];
    this.changed.clear();
    if (keys.length > 0) await this.parts.store.delegations.hasten(this.parts.store.db, keys);
  }

  private get room(): number {
    return this.stopping.signal.aborted ? 0 : MAX_LOOKS - (this.looks.size - this.watching);
  }

  private async claim(): Promise<ClaimedDelegation[]> {
    const { store } = this.parts;
    const claimed = await store.delegations.claim(store.db, this.room, this.parts.config.leaseMs);
    const unchanged = await this.unchanged(claimed);
    if (unchanged.length > 0) await store.delegations.pause(store.db, unchanged.map(pauseOf));
    for (const delegation of claimed) if (!unchanged.includes(delegation)) this.look(delegation);
    return claimed;
  }

  /** Those that wait for tasks of this server which still work, found in one statement. */
  private async unchanged(claimed: readonly ClaimedDelegation[]): Promise<ClaimedDelegation[]> {
    const waiting = claimed.filter(
      ({ isLocal, state, isWanted, isPastDeadline }) =>
        isLocal && state === DelegationState.FOLLOW && isWanted && !isPastDeadline,
    );
    if (waiting.length === 0) return [];
    const { store } = this.parts;
    const keys = waiting.map(({ tenantId, peerTask }) => ({ tenantId, taskId: peerTask! }));
    const states = await store.tasks.states(store.db, keys);
    return waiting.filter((_, i) => {
      const state = states.get(topicKey(keys[i]!));
      return state !== undefined && !isSettled(state);
    });
  }

  private look(delegation: ClaimedDelegation): void {
    const stop = new AbortController();
    const look: ActiveLook = { delegation, stop, isCalled: false, ended: Promise.resolve() };
    const peer = this.peerOf(delegation);
    const watch = (id: string) => this.watch(look, peer, id);
    this.looks.add(look);
    look.ended = new DelegationLook(this.parts, delegation, peer, watch, stop.signal).run().finally(() => {
      this.looks.delete(look);
      // One that something has happened to meanwhile is due again.
      this.loop.wake();
    });
  }

  private peerOf(delegation: ClaimedDelegation): Peer {
    const { callbacks } = this.parts;
    return delegation.isLocal
      ? new LocalPeer(this.parts, delegation)
      : new RemotePeer({ peers: this.remotePeers, callbacks }, delegation);
  }

  /** Watches the peer's task where a stream is free, until there is something new, or the delegation's time is over. */
  private async watch(look: ActiveLook, peer: Peer, id: string): Promise<boolean> {
    if (look.isCalled || this.watching >= this.parts.config.maxPeerStreams) return false;
    const { delegation, stop } = look;
    const enough = new AbortController();
    const timer = setTimeout(() => enough.abort(), timeLeft(delegation));
    look.stopWatching = () => enough.abort();
    this.watching++;
    this.loop.wake();
    try {
      return await peer.watch(id, AbortSignal.any([stop.signal, enough.signal]));
    } finally {
      this.watching--;
      look.stopWatching = undefined;
      clearTimeout(timer);
    }
  }

  private async keepLeases(): Promise<void> {
    const { signal } = this.stopping;
    while (!signal.aborted) {
      await delay(this.parts.config.leaseMs / 3, undefined, { signal, ref: false }).catch(() => undefined);
      if (signal.aborted) return;
      await this.renew().catch((error: unknown) => this.parts.logger.warn({ err: error }, 'delegations.not_renewed'));
    }
  }

  private async renew(): Promise<void> {
    const looks = [...this.looks];
    if (looks.length === 0) return;
    const { store } = this.parts;
    const leases = looks.map(({ delegation }) => delegation);
    const held = await store.delegations.renew(store.db, leases, this.parts.config.leaseMs);
    for (const { delegation, stop } of looks) {
      if (!held.has(delegation.id)) stop.abort(new Error('somebody else looks after the delegation'));
    }
  }
}

function pauseOf(delegation: ClaimedDelegation): DelegationPause {
  return { lease: delegation, delayMs: pauseAfter(delegation.looks), failed: false };
}

/** Milliseconds, as many as a timer takes. */
function timeLeft({ deadline }: ClaimedDelegation): number {
  const max = 2 ** 31 - 1;
  return deadline ? Math.min(Math.max(deadline.getTime() - Date.now(), 0), max) : max;
}

/** The task of a signal's `tenant/task`. */
function keyOf(text: string): TaskKey {
  const slash = text.lastIndexOf('/');
  return { tenantId: text.slice(0, slash), taskId: text.slice(slash + 1) };
}
