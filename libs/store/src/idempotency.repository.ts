import { type Queryable } from './database.js';

/** Whose key it is. Two callers, or two agents, may use the same key for different things. */
export interface IdempotencyScope {
  readonly tenantId: string;
  readonly owner: string;
  readonly agent: string;
  readonly key: string;
}

/** What a used key stands for: the task it made or spoke to, or the Message (ProtoJSON) that answered. */
export interface IdempotencyRecord {
  readonly requestHash: string;
  readonly taskId: string | null;
  readonly response: string | null;
}

/** SQL of `idempotency_keys`. */
export class IdempotencyRepository {
  async find(db: Queryable, { tenantId, owner, agent, key }: IdempotencyScope): Promise<IdempotencyRecord | undefined> {
    const { rows } = await db.query<IdempotencyRecord>(
      `select request_hash as "requestHash", task_id as "taskId", response from perdure.idempotency_keys
       where tenant_id = $1 and owner = $2 and agent = $3 and key = $4`,
      [tenantId, owner, agent, key],
    );
    return rows[0];
  }

  /** Takes the key; false where somebody has it. */
  async add(tx: Queryable, scope: IdempotencyScope, record: IdempotencyRecord): Promise<boolean> {
    const { rowCount } = await tx.query(
      `insert into perdure.idempotency_keys (tenant_id, owner, agent, key, request_hash, task_id, response)
       values ($1, $2, $3, $4, $5, $6, $7) on conflict do nothing`,
      [
        ...[scope.tenantId, scope.owner, scope.agent, scope.key],
        ...[record.requestHash, record.taskId, record.response],
      ],
    );
    return rowCount === 1;
  }

  /** Forgets keys older than `ttlMs`, at most `limit` at a time. */
  async purge(db: Queryable, ttlMs: number, limit: number): Promise<number> {
    const { rowCount } = await db.query(
      `delete from perdure.idempotency_keys where ctid in (
         select ctid from perdure.idempotency_keys where created_at < now() - $1::float8 * interval '1 ms' limit $2)`,
      [ttlMs, limit],
    );
    return rowCount ?? 0;
  }
}
