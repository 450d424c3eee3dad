import { type Agent, type AgentRegistry } from '#agents';
import { type DueLane, type Lane, type Store } from '#store';
import { type Backlog, type RunSlots } from './run-slots.js';

/** So many due jobs are looked at one by one; where there are more, the lanes are looked at. */
const WINDOW = 256;
/** So many lanes are looked at in one go. */
const PAGE = 256;
/** Jobs of the version before that are filled in at a time, of each tenant. */
const COMPLETED_AT_ONCE = 1_000;

/** A lane as it was seen, less what has been dealt out since. */
export type KnownLane = { -readonly [Field in keyof DueLane]: DueLane[Field] };

/**
 * What waits in the outbox, as this process has last seen it, by tenant. Where few jobs are due all of them are seen.
 * Where many are, those that have been due for longest, and the lanes of some tenants more, the next ones with each look: so
 * that a look costs the same with ten jobs or a million, of one tenant or of ten thousand.
 */
export class DueLanes implements Backlog {
  private lanes = new Map<string, KnownLane[]>();
  /** Where the next page begins. */
  private page: Lane | undefined;

  constructor(
    private readonly store: Store,
    private readonly agents: AgentRegistry,
    private readonly slots: RunSlots,
    readonly onTurn: () => void,
  ) {}

  get isEmpty(): boolean {
    return this.lanes.size === 0;
  }

  /** Looks again; answers with the milliseconds until another job becomes due, undefined where there is none. */
  async look(): Promise<number | undefined> {
    const { outbox, db } = this.store;
    let { lanes, nextDueMs } = await outbox.earliestLanes(db, WINDOW);
    const incomplete = lanes.filter(({ agent }) => agent === '').map(({ tenantId }) => tenantId);
    if (incomplete.length > 0) {
      await outbox.complete(db, [...new Set(incomplete)], COMPLETED_AT_ONCE);
      ({ lanes, nextDueMs } = await outbox.earliestLanes(db, WINDOW));
    }
    const isComplete = lanes.reduce((sum, { count }) => sum + count, 0) < WINDOW;
    const known = (isComplete ? lanes : await this.withMore(lanes)).filter(({ agent }) => this.agents.get(agent));
    this.lanes = byTenant(known);
    return nextDueMs;
  }

  /** Knows of nothing until it looks again. */
  clear(): void {
    this.lanes.clear();
  }

  *tenants(): Iterable<string> {
    for (const tenant of this.lanes.keys()) if (this.first(tenant)) yield tenant;
  }

  priority(tenant: string): number | undefined {
    return this.first(tenant)?.lane.priority;
  }

  count(tenant: string): number {
    return this.lanes.get(tenant)?.reduce((sum, { count }) => sum + count, 0) ?? 0;
  }

  /** The lane from which the tenant's next job comes, as far as there is room for it, and its agent. */
  first(tenant: string): { readonly lane: KnownLane; readonly agent: Agent } | undefined {
    for (const lane of this.lanes.get(tenant) ?? []) {
      const agent = lane.count > 0 ? this.agents.get(lane.agent) : undefined;
      if (agent && this.slots.hasRoom(agent, tenant)) return { lane, agent };
    }
    return undefined;
  }

  /** All of them. */
  all(): KnownLane[] {
    return [...this.lanes.values()].flat();
  }

  /** The lanes of a window that is full may have more jobs than it shows, and there may be others. */
  private async withMore(lanes: readonly DueLane[]): Promise<DueLane[]> {
    const { due, last } = await this.store.outbox.lanesAfter(this.store.db, this.page, PAGE);
    this.page = last;
    const seen = new Set(lanes.map(keyOf));
    return [...lanes.map((lane) => ({ ...lane, count: Infinity })), ...due.filter((lane) => !seen.has(keyOf(lane)))];
  }
}

/** Each tenant's lanes in the order in which their jobs run: by priority, then by due time. */
function byTenant(lanes: readonly DueLane[]): Map<string, KnownLane[]> {
  const tenants = new Map<string, KnownLane[]>();
  const inOrder = lanes.toSorted((a, b) => a.priority - b.priority || b.dueForMs - a.dueForMs);
  for (const lane of inOrder) {
    const known = tenants.get(lane.tenantId);
    if (known) known.push({ ...lane });
    else tenants.set(lane.tenantId, [{ ...lane }]);
  }
  return tenants;
}

function keyOf({ tenantId, agent, priority }: Lane): string {
  return `${tenantId}/${agent}/${priority}`;
}
