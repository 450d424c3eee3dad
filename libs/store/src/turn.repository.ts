import { type Queryable } from './database.js';
import { type TaskRow } from './task.row.js';

/** What a client's message does to a locked task. */
export interface InputChange {
  /** Messages added to the history, the client's own among them. */
  readonly added: number;
  /** Raises the turn: what runs is fenced off, and the handler begins anew with this message. */
  readonly newTurn: boolean;
  /** The version of the agent that such a turn begins with. */
  readonly version: string;
  /** Makes the task due; for a holder, under a lease of its own at once. */
  readonly start: { readonly leaseOwner: string | null; readonly leaseMs: number } | null;
  /** The state the message leads to, with the event that tells of it. */
  readonly status?: { readonly state: number; readonly text: string; readonly event: string };
  readonly at: Date;
}

/** SQL of turns: what a follow-up message and the start of the next turn do to the task's row. */
export class TurnRepository {
  /** Takes in a client's message on a locked row and returns the lease token that is valid from now on. */
  async takeInput(tx: Queryable, row: TaskRow, change: InputChange): Promise<number> {
    const { start, status } = change;
    const { rows } = await tx.query<{ token: number }>(
      `update perdure.tasks set
         messages = messages + $3, inputs = inputs + 1, last_modified = $4,
         state = coalesce($5, state), status = coalesce($6, status),
         status_timestamp = case when $6::text is null then status_timestamp else $4 end,
         last_sequence = last_sequence + case when $6::text is null then 0 else 1 end,
         turn = turn + $7::int4, turn_input = case when $7::int4 = 1 then inputs + 1 else turn_input end,
         agent_version = case when $7::int4 = 1 then $11 else agent_version end,
         attempt = case when $8 then 0 else attempt end, lost = case when $8 then 0 else lost end,
         lease_token = lease_token + case when $8 then 1 else 0 end,
         lease_owner = case when $8 then $9 else lease_owner end,
         run_at = case when $8 then now() + $10::int4 * interval '1 ms' else run_at end,
         listens = listens and not $8
       where tenant_id = $1 and id = $2 returning lease_token::float8 as token`,
      [
        ...[row.tenantId, row.id, change.added, change.at, status?.state ?? null, status?.text ?? null],
        ...[change.newTurn ? 1 : 0, start !== null, start?.leaseOwner ?? null, start?.leaseOwner ? start.leaseMs : 0],
        change.version,
      ],
    );
    if (status) await this.addEvent(tx, row, row.lastSequence + 1, status.event);
    return rows[0]!.token;
  }

  /**
   * Begins the next turn of a run on its locked row. Messages of later turns may be there already, and more may come, so
   * the turn's first record, at position 0, says how many there were when it began.
   */
  async nextTurn(
    tx: Queryable,
    row: TaskRow,
    { turnInput, added, version }: { readonly turnInput: number; readonly added: number; readonly version: string },
  ): Promise<void> {
    await tx.query(
      `with u as (
         update perdure.tasks set turn = turn + 1, turn_input = $3, messages = messages + $4, attempt = 0, lost = 0,
           agent_version = $5
         where tenant_id = $1 and id = $2 returning tenant_id, id, turn, messages)
       insert into perdure.task_journal (tenant_id, task_id, turn, position, kind, value)
       select tenant_id, id, turn, 0, 'turn', messages from u`,
      [row.tenantId, row.id, turnInput, added, version],
    );
  }

  private async addEvent(tx: Queryable, { tenantId, id }: TaskRow, sequence: number, event: string): Promise<void> {
    await tx.query('insert into perdure.task_events (tenant_id, task_id, sequence, event) values ($1, $2, $3, $4)', [
      tenantId,
      id,
      sequence,
      event,
    ]);
  }
}
