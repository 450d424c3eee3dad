import { type Agent } from '#agents';
import { type Lane, type OutboxJob, type Store } from '#store';
import { topicKey } from '#tasks';
import { type KnownLane } from './due-lanes.js';
import { type RunSlot } from './run-slots.js';
import { type ClaimedRow, type WorkerPool } from './worker-pool.js';

type Transaction = Parameters<Store['outbox']['take']>[0];

/** A task that somebody changes in this moment, or whose own run here is late to renew its lease, is left alone for so long. */
const PUT_BACK_MS = 100;

/**
 * Jobs on their way from the outbox straight into slots that were dealt to them: claimed in the transaction that takes them,
 * and run after it.
 */
export class JobClaims {
  /** The slots, by the lanes that they were dealt to. */
  private readonly dealt = new Map<KnownLane, RunSlot[]>();
  private claimed: ClaimedRow[] = [];

  constructor(
    private readonly store: Store,
    private readonly pool: WorkerPool,
  ) {}

  /** How many slots there are. */
  size = 0;

  add(lane: KnownLane, agent: Agent): void {
    const slot = this.pool.slots.take(agent, lane.tenantId);
    const slots = this.dealt.get(lane);
    if (slots) slots.push(slot);
    else this.dealt.set(lane, [slot]);
    lane.count--;
    this.size++;
  }

  /** Takes the jobs and claims their tasks. The transaction may be tried again. */
  async take(tx: Transaction): Promise<void> {
    const lanes = [...this.dealt].map(([lane, slots]) => ({ ...laneOf(lane), amount: slots.length, slots, lane }));
    const jobs = await this.store.outbox.take(tx, lanes);
    for (const { lane, amount } of lanes) if (jobs.filter(isOf(lane)).length < amount) lane.count = 0;
    const wanted = [...new Map(jobs.filter(({ isWanted }) => isWanted).map((job) => [topicKey(job), job])).values()];
    const [own, claimable] = [wanted.filter(this.runsHere), wanted.filter((job) => !this.runsHere(job))];
    const rows = claimable.length > 0 ? await this.pool.claimAll(tx, claimable) : [];
    const byTask = new Map(rows.map((row) => [topicKey({ tenantId: row.tenantId, taskId: row.id }), row]));
    const missed = claimable.filter((job) => !byTask.has(topicKey(job)));
    if (own.length + missed.length > 0) await this.store.outbox.putBack(tx, [...own, ...missed], PUT_BACK_MS);
    this.claimed = lanes.flatMap(({ lane, slots }) => {
      const ofLane = claimable.filter(isOf(lane)).flatMap((job) => byTask.get(topicKey(job)) ?? []);
      return ofLane.map((row, i) => ({ row, slot: slots[i]! }));
    });
  }

  /** Runs what was claimed, once that is committed, and gives back the other slots. */
  start(): void {
    const { claimed } = this;
    const running = new Set(claimed.map(({ slot }) => slot));
    const unused = [...this.dealt.values()].flat().filter((slot) => !running.has(slot));
    if (claimed.length > 0) this.pool.startAll(claimed);
    for (const slot of unused) this.pool.slots.undo(slot);
  }

  /** Gives back all slots. */
  release(): void {
    for (const slot of [...this.dealt.values()].flat()) this.pool.slots.undo(slot);
  }

  /** Its own lease looks abandoned after a standstill, until it is renewed. */
  private readonly runsHere = (job: OutboxJob) => job.holder === this.pool.owner && this.pool.isRunning(job);
}

function laneOf({ tenantId, agent, priority }: Lane): Lane {
  return { tenantId, agent, priority };
}

function isOf({ tenantId, agent, priority }: Lane): (job: OutboxJob) => boolean {
  return (job) => job.tenantId === tenantId && job.agent === agent && job.priority === priority;
}
