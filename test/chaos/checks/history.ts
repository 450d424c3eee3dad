import { type Plan } from '../plan.js';

/** All that was recorded of a run of the suite, in plain values: what the checks judge. */
export interface ChaosHistory {
  readonly client: ClientHistory;
  readonly handler: readonly HandlerNote[];
  readonly database: DatabaseHistory;
  /** In the order in which they were struck. */
  readonly kills: readonly Kill[];
  /** When no worker could have taken anything over. */
  readonly standstills: readonly Interval[];
  readonly webhooks: WebhookHistory;
}

/** What the clients asked to be told of, and what came. */
export interface WebhookHistory {
  readonly hooks: readonly Hook[];
  /** In the order in which they came. */
  readonly arrivals: readonly Arrival[];
}

/** A webhook that a client asked for. */
export interface Hook {
  /** For the client; the path of its URL, and its token. */
  readonly id: string;
  /** Empty where the message that brought it was never taken. */
  readonly task: string;
  /** What its deliveries are signed with; undefined where no answer has told, or there may be another one. */
  readonly secret?: string;
  /** A client has asked for its end. */
  readonly isDropped: boolean;
  /** How many arrivals there were when the answer to that came. */
  readonly goneAfter?: number;
}

/** A request that came to the receiver. */
export interface Arrival {
  /** The path that it was sent to. */
  readonly hook: string;
  /** Its headers. */
  readonly id: string;
  readonly timestamp: string;
  readonly signature: string;
  readonly token: string;
  /** Undefined where its sender died halfway. */
  readonly body?: string;
  /** How many arrivals there were when it was answered with success, as a whole; undefined where it was not. */
  readonly acknowledged?: number;
}

/** What the clients did and were told. */
export interface ClientHistory {
  readonly sends: readonly Send[];
  readonly answers: readonly Answer[];
  /** Answers that are neither what was asked for nor advice to try again. */
  readonly refusals: readonly Refusal[];
  readonly subscriptions: readonly Subscription[];
}

/** A message to a new task, or to one that is there, that a client sends under a key until it is taken. */
export interface Send {
  readonly key: string;
  /** The task that it went to; undefined where it made one. */
  readonly to?: string;
  readonly plan: Plan;
  /** The tasks that answers under this key named: one of them in the end. */
  readonly tasks: readonly string[];
  /** The answer said that the task takes no more messages. */
  readonly isTooLate: boolean;
}

/** A task as a client was shown it. */
export interface Answer {
  readonly task: string;
  readonly state: string;
  /** Its artifacts by name; undefined where the answer is not a task's last. */
  readonly artifacts?: Readonly<Record<string, string>>;
  readonly words?: string;
}

/** A call that failed for good. */
export interface Refusal {
  readonly call: string;
  readonly task?: string;
  readonly error: string;
}

/** The events of a task, as one reader has read them over one stream after the other. */
export interface Subscription {
  readonly task: string;
  readonly binding: string;
  readonly streams: readonly ReadStream[];
}

/** One stream of a subscription. */
export interface ReadStream {
  /** The number after which it was asked to go on; undefined where it begins with the task as it stands. */
  readonly after?: number;
  readonly events: readonly ReadEvent[];
}

/** An event as it was read: its number, and what it says in a line. */
export interface ReadEvent {
  readonly sequence: number;
  readonly says: string;
}

/** A line that a handler wrote, at so many milliseconds of the machine's monotonic clock. */
export interface HandlerNote {
  readonly atMs: number;
  readonly pid: number;
  readonly kind: 'run' | 'effect' | 'recorded' | 'canceled';
  readonly task: string;
  readonly run?: string;
  readonly step?: string;
  /** The id of the effect: what its step returns. */
  readonly effect?: string;
}

/** What the database holds in the end, and what its triggers wrote down meanwhile. */
export interface DatabaseHistory {
  readonly tasks: readonly StoredTask[];
  /** By task and sequence. */
  readonly events: readonly StoredEvent[];
  readonly records: readonly StoredRecord[];
  readonly inputs: readonly StoredInput[];
  /** In the order in which they happened. */
  readonly leases: readonly LeaseChange[];
  readonly hooks: readonly StoredHook[];
  readonly tampering: readonly Tampering[];
}

export interface StoredTask {
  readonly id: string;
  readonly agent: string;
  /** TaskState by number. */
  readonly state: number;
  /** TaskStatus as ProtoJSON. */
  readonly status: string;
  readonly lastSequence: number;
  readonly lost: number;
  readonly attempt: number;
  readonly runAt: string | null;
  readonly leaseOwner: string | null;
}

export interface StoredEvent {
  readonly task: string;
  readonly sequence: number;
  /** StreamResponse as ProtoJSON. */
  readonly event: string;
}

export interface StoredRecord {
  readonly task: string;
  readonly turn: number;
  readonly branch: string;
  readonly position: number;
  readonly kind: string;
  readonly name: string | null;
  readonly value: string | null;
}

/** A message of a client in a task's history. */
export interface StoredInput {
  readonly task: string;
  readonly messageId: string;
}

/** A lease was claimed, or, without an owner, taken away or given back. */
export interface LeaseChange {
  readonly task: string;
  readonly token: number;
  /** `host/pid/id`. */
  readonly owner: string | null;
  /** The number of the task's newest event until then. */
  readonly sequence: number;
  /** Milliseconds since 1970. */
  readonly at: number;
}

/** A webhook by the transactions that made it, and ended it. */
export interface StoredHook {
  /** The engine's own name for it. */
  readonly uid: string;
  readonly id: string;
  readonly task: string;
  /** The number of the task's newest event before it; null where its task does not know of it. */
  readonly after: number | null;
  readonly isDropped: boolean;
}

/** Somebody changed what nobody may change. */
export interface Tampering {
  readonly task: string;
  readonly what: string;
}

export interface Kill {
  /** Milliseconds since 1970. */
  readonly at: number;
  readonly pid: number;
  readonly process: string;
}

export interface Interval {
  readonly from: number;
  readonly to: number;
}

/** Something that must not be. */
export interface Violation {
  readonly kind: ViolationKind;
  readonly task?: string;
  readonly fact: string;
}

export type ViolationKind =
  | 'lost'
  | 'unanswered'
  | 'unfinished'
  | 'wrong end'
  | 'refused'
  | 'two tasks under a key'
  | 'doubled'
  | 'gap'
  | 'stale write'
  | 'end changed'
  | 'slow recovery'
  | 'webhook lost'
  | 'webhook disorder'
  | 'webhook changed'
  | 'webhook forged'
  | 'webhook after its end';

/** Finds what must not be in a history. */
export type Check = (history: ChaosHistory) => Violation[];
