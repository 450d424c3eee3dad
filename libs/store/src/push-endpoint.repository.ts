import { type Queryable } from './database.js';
import { type PushEndpointKey } from './push-lane.repository.js';

/** When an endpoint counts as down, and for how long it is left alone then. */
export interface BreakerTerms {
  /** Failures in a row that open it. */
  readonly threshold: number;
  /** The pause is a quarter of the time for which it has been failing, and between these two. */
  readonly minOpenMs: number;
  readonly maxOpenMs: number;
  /** It is disabled once it has been failing for so long. */
  readonly disableMs: number;
}

/** Attempts that have failed. */
export interface EndpointFailures extends PushEndpointKey {
  readonly failures: number;
  /** For how long the endpoint has asked to be left alone. */
  readonly pauseMs: number;
}

/** How an endpoint stands after failures. */
export interface EndpointHealth extends PushEndpointKey {
  /** Since the last success. */
  readonly failures: number;
  readonly failingMs: number;
  /** What these failures have brought about. */
  readonly isOpened: boolean;
  readonly isDisabled: boolean;
}

/** SQL of `push_endpoints`: what is known of the receivers of each tenant. A healthy one costs no statement. */
export class PushEndpointRepository {
  async failed(db: Queryable, failures: readonly EndpointFailures[], terms: BreakerTerms): Promise<EndpointHealth[]> {
    const { rows } = await db.query<EndpointHealth>(FAILED, [
      failures.map(({ tenantId }) => tenantId),
      failures.map(({ endpoint }) => endpoint),
      failures.map((entry) => entry.failures),
      failures.map(({ pauseMs }) => pauseMs),
      ...[terms.threshold, terms.minOpenMs, terms.maxOpenMs, terms.disableMs],
    ]);
    return rows;
  }

  /** Closes the breakers; answers with the endpoints of those that were open. Does nothing for an endpoint that is healthy. */
  async succeeded(db: Queryable, endpoints: readonly PushEndpointKey[], threshold: number): Promise<PushEndpointKey[]> {
    const { rows } = await db.query<PushEndpointKey & { wasOpen: boolean }>(
      `with o as materialized (
         select e.tenant_id, e.endpoint, e.failures from perdure.push_endpoints e
         join unnest($1::text[], $2::text[]) w(tenant_id, endpoint) using (tenant_id, endpoint)
         where e.failures > 0 order by 1, 2 for update of e),
       u as (
         update perdure.push_endpoints e set failures = 0, failing_since = null, open_until = null
         from o where e.tenant_id = o.tenant_id and e.endpoint = o.endpoint)
       select tenant_id as "tenantId", endpoint, failures >= $3::int4 as "wasOpen" from o`,
      [endpoints.map(({ tenantId }) => tenantId), endpoints.map(({ endpoint }) => endpoint), threshold],
    );
    return rows.filter(({ wasOpen }) => wasOpen);
  }

  /** Gives an endpoint that was disabled another try: one attempt, which decides. */
  async rearm(db: Queryable, { tenantId, endpoint }: PushEndpointKey): Promise<void> {
    await db.query(
      `update perdure.push_endpoints set disabled_at = null, open_until = null
       where tenant_id = $1 and endpoint = $2 and disabled_at is not null`,
      [tenantId, endpoint],
    );
  }

  /** Forgets all that has failed. */
  async enable(db: Queryable, tenantId: string, endpoint: string): Promise<void> {
    await db.query(
      `update perdure.push_endpoints set disabled_at = null, open_until = null, failing_since = null, failures = 0
       where tenant_id = $1 and endpoint = $2`,
      [tenantId, endpoint],
    );
  }

  /**
   * Takes a place in the endpoint's rate, of one attempt every `intervalMs` with up to `burst` at once; answers with 0, or
   * with the milliseconds to wait where there is none now, and then nothing is taken.
   */
  async admit(
    db: Queryable,
    { tenantId, endpoint }: PushEndpointKey,
    { intervalMs, burst }: { readonly intervalMs: number; readonly burst: number },
  ): Promise<number> {
    const { rows } = await db.query<{ waitMs: number }>(
      `with e as (
         insert into perdure.push_endpoints as e (tenant_id, endpoint, allowed_at)
         values ($1, $2, clock_timestamp() + $3::float8 * interval '1 ms')
         on conflict (tenant_id, endpoint) do update
           set allowed_at = greatest(e.allowed_at, clock_timestamp()) + $3::float8 * interval '1 ms'
           where e.allowed_at is null
             or e.allowed_at <= clock_timestamp() + $3::float8 * ($4::int4 - 1) * interval '1 ms'
         returning 1)
       select case when exists (select from e) then 0 else (
         select greatest(1, extract(epoch from allowed_at - $3::float8 * ($4::int4 - 1) * interval '1 ms' - clock_timestamp()) * 1000)
         from perdure.push_endpoints where tenant_id = $1 and endpoint = $2) end::float8 as "waitMs"`,
      [tenantId, endpoint, intervalMs, burst],
    );
    return rows[0]!.waitMs;
  }
}

const FAILING = 'now() - coalesce(e.failing_since, now())';
const MS = `* interval '1 ms'`;

const FAILED = `
  insert into perdure.push_endpoints as e (tenant_id, endpoint, failures, failing_since, open_until)
  select tenant, endpoint, failures, now(),
    case when failures >= $5::int4 then now() + greatest(pause, $6::float8) ${MS} when pause > 0 then now() + pause ${MS} end
  from unnest($1::text[], $2::text[], $3::int4[], $4::float8[]) f(tenant, endpoint, failures, pause) order by 1, 2
  on conflict (tenant_id, endpoint) do update set failures = e.failures + excluded.failures,
    failing_since = coalesce(e.failing_since, now()),
    open_until = greatest(e.open_until, excluded.open_until, case when e.failures + excluded.failures >= $5::int4
      then now() + least($7::float8 ${MS}, greatest($6::float8 ${MS}, (${FAILING}) / 4)) end),
    disabled_at = coalesce(e.disabled_at, case when e.failures + excluded.failures >= $5::int4
      and ${FAILING} >= $8::float8 ${MS} then now() end)
  returning tenant_id as "tenantId", endpoint, failures, extract(epoch from now() - failing_since)::float8 * 1000 as "failingMs",
    failures >= $5::int4 and (failing_since = now() or failures - (select sum(f.failures) from unnest($1::text[], $2::text[], $3::int4[])
      f(tenant, endpoint, failures) where f.tenant = e.tenant_id and f.endpoint = e.endpoint) < $5::int4) as "isOpened",
    coalesce(disabled_at = now()::timestamptz(3), false) as "isDisabled"`;
