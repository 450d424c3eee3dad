/** A row of `perdure.tasks`, but for the one column that can be of any size. */
export interface TaskRow {
  readonly tenantId: string;
  readonly id: string;
  readonly agent: string;
  readonly contextId: string;
  readonly owner: string;
  /** TaskState by number. */
  readonly state: number;
  /** TaskStatus as ProtoJSON. */
  readonly status: string;
  readonly statusTimestamp: Date;
  readonly createdAt: Date;
  readonly lastModified: Date;
  readonly lastSequence: number;
  readonly snapshotSequence: number;
  readonly messages: number;
  readonly inputs: number;
  readonly turn: number;
  readonly turnInput: number;
  readonly leaseToken: number;
  readonly leaseOwner: string | null;
  readonly runAt: Date | null;
  readonly attempt: number;
  readonly lost: number;
  readonly deadline: Date | null;
  /** The version of the agent that began the turn; null where that was not noted. */
  readonly agentVersion: string | null;
  /** How many signals have come. */
  readonly signals: number;
  /** Whether the run has ended to wait for a signal. */
  readonly listens: boolean;
  /** Whether webhooks are told of its events. */
  readonly hasWebhooks: boolean;
}

/** A row with its snapshot. Many of them at once, or one for long, are a lot of memory. */
export interface WholeTaskRow extends TaskRow {
  /** ProtoJSON Task that holds the artifacts after event `snapshotSequence`, and nothing else. */
  readonly snapshot: string | null;
}

/** Names a task. */
export interface TaskKey {
  readonly tenantId: string;
  readonly taskId: string;
}

/** The right to write one task: valid while no newer claim, cancel or end has raised the token. */
export interface Lease extends TaskKey {
  readonly token: number;
}

/** Select list that answers in the shape of `TaskRow`; `t` is the table's alias. */
export const TASK_COLUMNS = `
  t.tenant_id as "tenantId", t.id, t.agent, t.context_id as "contextId", t.owner, t.state, t.status,
  t.status_timestamp as "statusTimestamp", t.created_at as "createdAt", t.last_modified as "lastModified",
  t.last_sequence as "lastSequence", t.snapshot_sequence as "snapshotSequence", t.messages, t.inputs,
  t.turn, t.turn_input as "turnInput", t.lease_token::float8 as "leaseToken", t.lease_owner as "leaseOwner",
  t.run_at as "runAt", t.attempt, t.lost, t.deadline, t.agent_version as "agentVersion", t.signals, t.listens,
  t.push is not null as "hasWebhooks"`;

/** The same for `WholeTaskRow`. */
export const WHOLE_TASK_COLUMNS = `${TASK_COLUMNS}, t.snapshot`;
