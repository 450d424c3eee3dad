import { type PushEndpointKey, type PushEndpointView, type PushUnderWay } from '#store';

/** How many lanes may be under way at a time. */
export interface LaneLimits {
  readonly endpoint: number;
  readonly tenant: number;
  /** So many failures in a row leave an endpoint one lane: the next attempt decides on all others. */
  readonly breaker: number;
}

/** How many more lanes of an endpoint go out. */
export interface LaneShare extends PushEndpointKey {
  readonly lanes: number;
}

interface Claimant {
  readonly endpoint: PushEndpointView;
  free: number;
  lanes: number;
}

/**
 * Deals `room` lanes out in turns: to each tenant one, and of it to each endpoint one, until all have what they may have. An
 * endpoint that fails may have fewer the more often it has failed in a row.
 */
export function dealLanes(
  due: readonly PushEndpointView[],
  underWay: readonly PushUnderWay[],
  room: number,
  limits: LaneLimits,
): LaneShare[] {
  const tenants = new Map<string, { free: number; claimants: Claimant[] }>();
  for (const endpoint of due) {
    const { tenantId } = endpoint;
    const ofTenant = underWay.filter((entry) => entry.tenantId === tenantId);
    const tenant = tenants.get(tenantId) ?? { free: limits.tenant - lanesOf(ofTenant), claimants: [] };
    const own = ofTenant.filter((entry) => entry.endpoint === endpoint.endpoint);
    tenant.claimants.push({ endpoint, free: limitOf(endpoint, limits) - lanesOf(own), lanes: 0 });
    tenants.set(tenantId, tenant);
  }
  const all = [...tenants.values()];
  for (let left = room, given = -1; left > 0 && given !== 0; left -= given) {
    given = 0;
    for (const tenant of all) if (given < left && giveOne(tenant)) given++;
  }
  const claimants = all.flatMap((tenant) => tenant.claimants).filter(({ lanes }) => lanes > 0);
  return claimants.map(({ endpoint: { tenantId, endpoint }, lanes }) => ({ tenantId, endpoint, lanes }));
}

/** The tenant's endpoint whose turn it is gets one, and goes to the end. */
function giveOne(tenant: { free: number; claimants: Claimant[] }): boolean {
  if (tenant.free <= 0) return false;
  const place = tenant.claimants.findIndex(({ free }) => free > 0);
  const [claimant] = place < 0 ? [] : tenant.claimants.splice(place, 1);
  if (!claimant) return false;
  claimant.free--;
  claimant.lanes++;
  tenant.free--;
  tenant.claimants.push(claimant);
  return true;
}

function limitOf({ failures }: PushEndpointView, { endpoint, breaker }: LaneLimits): number {
  return failures >= breaker ? 1 : Math.ceil(endpoint / (1 + failures));
}

function lanesOf(entries: readonly PushUnderWay[]): number {
  return entries.reduce((sum, { lanes }) => sum + lanes, 0);
}
