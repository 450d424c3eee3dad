import { type Queryable } from './database.js';
import { type DelegationKey, DelegationState } from './delegation.repository.js';

/** A delegation whose peer was asked to call back. */
export interface CallbackRow extends DelegationKey {
  /** The peer's task, once it is known. */
  readonly peerTask: string | null;
  /** URL of the JWK set whose keys sign the peer's calls; null where it does not sign them. */
  readonly jwks: string | null;
  /** Whether news of the peer's task still matters. */
  readonly isOpen: boolean;
}

/** What a callback may bring forward: no row that waits for something else than the peer. */
const OPEN = `d.look_at is not null and d.state in (${DelegationState.SEND}, ${DelegationState.FOLLOW})`;

/** SQL of `delegation_callbacks`, and of what callbacks do to `task_delegations`. */
export class CallbackRepository {
  /** Before the peer is asked to call. A second time puts the new `jwks` in place of the old one. */
  async expect(db: Queryable, { tenantId, taskId, id }: DelegationKey, jwks: string | null): Promise<void> {
    await db.query(
      `insert into perdure.delegation_callbacks (tenant_id, task_id, id, jwks) values ($1, $2, $3, $4)
       on conflict (tenant_id, task_id, id) do update set jwks = excluded.jwks`,
      [tenantId, taskId, id, jwks],
    );
  }

  /** By the id alone, which the caller has proved to have from us. */
  async find(db: Queryable, id: string): Promise<CallbackRow | undefined> {
    const { rows } = await db.query<CallbackRow>(
      `select d.tenant_id as "tenantId", d.task_id as "taskId", d.id, d.peer_task as "peerTask", b.jwks, ${OPEN} as "isOpen"
       from perdure.delegation_callbacks b join perdure.task_delegations d
         on d.tenant_id = b.tenant_id and d.task_id = b.task_id and d.id = b.id
       where b.id = $1`,
      [id],
    );
    return rows[0];
  }

  /**
   * Notes that the peer calls back; news are looked at now, or a second after what the last ones have led to. False where that
   * has changed nothing.
   */
  async heard(db: Queryable, { tenantId, taskId, id }: DelegationKey, isNews: boolean): Promise<boolean> {
    const next = `greatest(now(), case when d.hastened_at > now() then d.hastened_at else d.hastened_at + interval '1 s' end)`;
    const { rowCount } = await db.query(
      isNews
        ? `update perdure.task_delegations d set calls_back = true, hastened_at = ${next},
             is_hastened = d.is_hastened or d.is_held,
             look_at = case when d.is_held then d.look_at else least(d.look_at, ${next}) end
           where d.tenant_id = $1 and d.task_id = $2 and d.id = $3 and ${OPEN}`
        : `update perdure.task_delegations d set calls_back = true
           where d.tenant_id = $1 and d.task_id = $2 and d.id = $3 and not d.calls_back`,
      [tenantId, taskId, id],
    );
    return rowCount === 1;
  }
}
