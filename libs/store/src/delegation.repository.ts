import { type Queryable } from './database.js';
import { type TaskKey } from './task.row.js';

/** What has to be done for a delegation next. */
export const DelegationState = { SEND: 1, FOLLOW: 2, TELL: 3, ASKED: 4, OVER: 5 } as const;
export type DelegationState = (typeof DelegationState)[keyof typeof DelegationState];

/** Names a delegation. */
export interface DelegationKey extends TaskKey {
  /** A UUID. */
  readonly id: string;
}

/** A message that a handler's call sends to another agent. */
export interface NewDelegation extends DelegationKey {
  /** Where the call is recorded, with the delegation's id as its value. */
  readonly turn: number;
  readonly branch: string;
  readonly position: number;
  /** URL of the peer's card, or the id of an agent of this server. */
  readonly peer: string;
  readonly isLocal: boolean;
  /** SendMessageRequest as ProtoJSON. */
  readonly request: string;
  /** The peer's task, where the message goes to one. */
  readonly peerTask: string | null;
  /** The status of that task that the message answers, in the caller's words. */
  readonly answers: string | null;
  /** Whether a question of the peer goes on to the task's own client. */
  readonly relays: boolean;
  readonly deadline: Date | null;
}

/** The right to look after a delegation: valid while no newer claim has raised the token. */
export interface DelegationLease extends DelegationKey {
  readonly token: number;
}

/** A delegation under a lease. */
export interface ClaimedDelegation extends DelegationLease {
  readonly peer: string;
  readonly isLocal: boolean;
  readonly request: string;
  readonly answers: string | null;
  readonly relays: boolean;
  readonly state: DelegationState;
  readonly peerTask: string | null;
  readonly isPastDeadline: boolean;
  readonly deadline: Date | null;
  /** This look's number since the delegation came into its state, from 1. */
  readonly looks: number;
  /** Since when all looks have failed, in milliseconds; 0 where the last one did not. */
  readonly failingMs: number;
  /** The caller in whose name the delegating task runs. */
  readonly owner: string;
  /** Whether the peer has called this server by itself: it need not be asked so often. */
  readonly callsBack: boolean;
  /** Whether a call still waits for it: the task is open, in that turn, and the call is recorded. */
  readonly isWanted: boolean;
}

/** What stands of a delegation for the call that waits. */
export interface DelegationOutcome {
  readonly state: DelegationState;
  /** JSON, once there is one. A delegation that is over without one was dropped: nobody waited for it. */
  readonly outcome: string | null;
}

/** How a look ends that has brought nothing new. */
export interface DelegationPause {
  readonly lease: DelegationLease;
  /** Until the next look. */
  readonly delayMs: number;
  readonly failed: boolean;
}

/** SQL of `task_delegations`. The database's clock decides. */
export class DelegationRepository {
  /** Adds a delegation that is due at once; false where it is there already. */
  async add(db: Queryable, delegation: NewDelegation): Promise<boolean> {
    const { tenantId, taskId, id, turn, branch, position, ...rest } = delegation;
    const { rowCount } = await db.query(
      `insert into perdure.task_delegations (tenant_id, task_id, id, turn, branch, position, peer, is_local, request,
         peer_task, answers, relays, deadline, state, look_at)
       values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, ${DelegationState.SEND}, now())
       on conflict do nothing`,
      [
        ...[tenantId, taskId, id, turn, branch, position, rest.peer, rest.isLocal, rest.request],
        ...[rest.peerTask, rest.answers, rest.relays, rest.deadline],
      ],
    );
    return rowCount === 1;
  }

  async outcome(db: Queryable, { tenantId, taskId, id }: DelegationKey): Promise<DelegationOutcome | undefined> {
    const { rows } = await db.query<DelegationOutcome>(
      'select state, outcome from perdure.task_delegations where tenant_id = $1 and task_id = $2 and id = $3',
      [tenantId, taskId, id],
    );
    return rows[0];
  }

  /** Takes up to `limit` delegations that are due, for `leaseMs`. Others pass over what one is taking. */
  async claim(db: Queryable, limit: number, leaseMs: number): Promise<ClaimedDelegation[]> {
    const { rows } = await db.query<ClaimedDelegation>(
      `with due as materialized (
         select tenant_id, task_id, id from perdure.task_delegations
         where look_at <= now() order by look_at limit $1 for update skip locked),
       c as (
         update perdure.task_delegations d set look_token = d.look_token + 1, is_held = true, is_hastened = false,
           looks = d.looks + 1, look_at = now() + $2::int4 * interval '1 ms'
         from due where d.tenant_id = due.tenant_id and d.task_id = due.task_id and d.id = due.id returning d.*)
       select c.tenant_id as "tenantId", c.task_id as "taskId", c.id, c.look_token as token, c.peer,
         c.is_local as "isLocal", c.request, c.answers, c.relays, c.state, c.peer_task as "peerTask",
         coalesce(c.deadline <= now(), false) as "isPastDeadline", c.deadline, c.looks,
         coalesce(extract(epoch from now() - c.failing_since) * 1000, 0)::float8 as "failingMs",
         c.calls_back as "callsBack", coalesce(t.owner, '') as owner,
         (t.turn is not distinct from c.turn and t.state not in (3, 4, 5, 7) and j.turn is not null) as "isWanted"
       from c
       left join perdure.tasks t on t.tenant_id = c.tenant_id and t.id = c.task_id
       left join perdure.task_journal j on j.tenant_id = c.tenant_id and j.task_id = c.task_id and j.turn = c.turn
         and j.branch = c.branch and j.position = c.position and j.value = to_json(c.id::text)::text`,
      [limit, leaseMs],
    );
    return rows;
  }

  /** Extends leases; answers with the ids of those that still hold. */
  async renew(db: Queryable, leases: readonly DelegationLease[], leaseMs: number): Promise<Set<string>> {
    const { rows } = await db.query<{ id: string }>(
      `with ${held('$1::text[], $2::uuid[], $3::uuid[], $4::int4[]', 'tenant, task, id, token')}
       update perdure.task_delegations d set look_at = now() + $5::int4 * interval '1 ms' from l where ${SAME}
       returning d.id`,
      [...leaseValues(leases), leaseMs],
    );
    return new Set(rows.map(({ id }) => id));
  }

  /** The peer has taken the message into a task of its own. False where the lease is lost, as in all that follow. */
  async follow(db: Queryable, lease: DelegationLease, peerTask: string): Promise<boolean> {
    const changes = `state = ${DelegationState.FOLLOW}, peer_task = $5, looks = 0, failing_since = null`;
    return this.write(db, lease, changes, [peerTask]);
  }

  /** Something has come of it, as JSON, of which the task is to be told; the look goes on. */
  async settle(db: Queryable, lease: DelegationLease, outcome: string, isQuestion: boolean): Promise<boolean> {
    const changes = `state = ${DelegationState.TELL}, outcome = $5, relays = relays and $6, looks = 0, failing_since = null`;
    return this.write(db, lease, changes, [outcome, isQuestion]);
  }

  /** The task's own client is asked: until the next message the peer's task is that task's, and ends with it. */
  async ask(db: Queryable, lease: DelegationLease, delayMs: number): Promise<boolean> {
    const changes = `state = ${DelegationState.ASKED}, is_held = false,
      look_at = now() + case when is_hastened then 0 else $5::int4 end * interval '1 ms'`;
    return this.write(db, lease, changes, [delayMs]);
  }

  /** The next message has taken over what was asked here. */
  async answered(db: Queryable, { tenantId, taskId, id }: DelegationKey): Promise<void> {
    await db.query(
      `update perdure.task_delegations set state = ${DelegationState.OVER}, look_at = null, is_held = false
       where tenant_id = $1 and task_id = $2 and id = $3 and state in (${DelegationState.TELL}, ${DelegationState.ASKED})`,
      [tenantId, taskId, id],
    );
  }

  /** Nobody has to look at it any more. */
  async close(db: Queryable, lease: DelegationLease): Promise<boolean> {
    return this.write(db, lease, `state = ${DelegationState.OVER}, look_at = null, is_held = false`, []);
  }

  /**
   * Gives leases back until the next look, which is at once where something has happened meanwhile, and not behind the
   * deadline where that is still to come.
   */
  async pause(db: Queryable, pauses: readonly DelegationPause[]): Promise<void> {
    await db.query(
      `with ${held('$1::text[], $2::uuid[], $3::uuid[], $4::int4[], $5::int4[], $6::bool[]', 'tenant, task, id, token, delay, failed')}
       update perdure.task_delegations d set is_held = false, is_hastened = false,
         look_at = case when d.is_hastened then greatest(now(), d.hastened_at)
           else least(now() + l.delay * interval '1 ms', case when d.deadline > now() then d.deadline end) end,
         failing_since = case when l.failed then coalesce(d.failing_since, now()) end
       from l where ${SAME}`,
      [
        ...leaseValues(pauses.map(({ lease }) => lease)),
        pauses.map(({ delayMs }) => Math.round(delayMs)),
        pauses.map(({ failed }) => failed),
      ],
    );
  }

  /** Something has happened to these tasks: what they have delegated, and what waits for them, is looked at now. */
  async hasten(db: Queryable, keys: readonly TaskKey[]): Promise<void> {
    await db.query(
      `with k as materialized (select * from unnest($1::text[], $2::uuid[]) k(tenant, task)),
       l as materialized (
         select d.tenant_id, d.task_id, d.id from k join perdure.task_delegations d
           on d.tenant_id = k.tenant and d.task_id = k.task where d.look_at is not null
         union
         select d.tenant_id, d.task_id, d.id from k join perdure.task_delegations d
           on d.tenant_id = k.tenant and d.peer_task = k.task::text where d.is_local and d.look_at is not null),
       x as materialized (
         select d.tenant_id, d.task_id, d.id from l join perdure.task_delegations d using (tenant_id, task_id, id)
         order by ${ORDER} for update of d)
       update perdure.task_delegations d set
         look_at = case when d.is_held or d.look_at is null then d.look_at else now() end, is_hastened = d.is_held
       from x where d.tenant_id = x.tenant_id and d.task_id = x.task_id and d.id = x.id`,
      [keys.map(({ tenantId }) => tenantId), keys.map(({ taskId }) => taskId)],
    );
  }

  /** Milliseconds until the next look is due, 0 where it is; undefined where there is none. */
  async nextDueMs(db: Queryable): Promise<number | undefined> {
    const { rows } = await db.query<{ ms: number | null }>(
      `select greatest(0, ceil(extract(epoch from min(look_at) - clock_timestamp()) * 1000))::float8 as ms
       from perdure.task_delegations where look_at is not null`,
    );
    return rows[0]?.ms ?? undefined;
  }

  private async write(db: Queryable, lease: DelegationLease, changes: string, values: unknown[]): Promise<boolean> {
    const { rowCount } = await db.query(
      `update perdure.task_delegations set ${changes}
       where tenant_id = $1 and task_id = $2 and id = $3 and look_token = $4 and is_held`,
      [lease.tenantId, lease.taskId, lease.id, lease.token, ...values],
    );
    return rowCount === 1;
  }
}

/** Whoever locks several rows does so in this order, and waits for nobody who waits for it. */
const ORDER = 'd.tenant_id, d.task_id, d.id';
const SAME = 'd.tenant_id = l.tenant and d.task_id = l.task and d.id = l.id';

/** `l`: the leases of the arrays that still hold, their rows locked. */
const held = (arrays: string, columns: string) => `
  l as materialized (
    select l.* from unnest(${arrays}) l(${columns}) join perdure.task_delegations d on ${SAME}
    where d.look_token = l.token and d.is_held order by ${ORDER} for update of d)`;

function leaseValues(leases: readonly DelegationLease[]): unknown[] {
  return [
    leases.map(({ tenantId }) => tenantId),
    leases.map(({ taskId }) => taskId),
    leases.map(({ id }) => id),
    leases.map(({ token }) => token),
  ];
}
