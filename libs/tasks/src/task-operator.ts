import { randomUUID } from 'node:crypto';
import { type AgentRegistry } from '#agents';
import { type Logger } from '#platform';
import { A2AError, isTerminal, type StreamResponseJson, TaskState, type TaskStatusJson } from '#protocol';
import {
  type CallPlace,
  type OperatorFilter,
  type OperatorRow,
  type RecordSummary,
  type Store,
  type TaskKey,
  type WaitKind,
} from '#store';
import { comparePlaces, placeText } from './journal-place.js';
import { RepairRefusedError } from './repair-refused-error.js';
import { isTaskId } from './send-request.js';
import { type TaskJournal } from './task-journal.js';
import { taskNotFound } from './task-not-found.js';
import { type Repair, type TaskRepair } from './task-repair.js';
import { type TaskSignals } from './task-signals.js';

/** For those who ask: which tasks they mean, and what a task may wait for. */
export { type OperatorFilter, WAITS } from '#store';

/** Bytes of events, or of records' values, on one page. */
const PAGE_BYTES = 4 * 1024 * 1024;
/** A larger value is shown where it is asked for by its place. */
const SHOWN_VALUE_BYTES = 16 * 1024;
/** Why a signal is refused for what has become of its task. */
const REFUSALS: ReadonlySet<string> = new Set(['TASK_NOT_FOUND', 'UNSUPPORTED_OPERATION']);

/** A task as its operator sees it; times are UTC in ISO 8601 once it is JSON. */
export interface OperatedTask {
  readonly tenant: string;
  readonly id: string;
  readonly agent: string;
  /** Whether this process serves the agent: else nothing of the task runs here. */
  readonly served: boolean;
  readonly agentVersion?: string;
  readonly contextId: string;
  readonly owner: string;
  readonly state: string;
  readonly status: TaskStatusJson;
  readonly createdAt: Date;
  readonly lastModified: Date;
  /** Why the engine failed it, and the id under which the log has the rest. */
  readonly reason?: string;
  readonly errorId?: string;
  readonly waitsFor?: WaitKind;
  /** When the next claim is due: the end of a pause, a sleep or a lease. */
  readonly runAt?: Date;
  readonly deadline?: Date;
  readonly lease: { readonly token: number; readonly holder?: string };
  readonly turn: number;
  /** Failures of the handler in this turn, and of workers under it. */
  readonly attempt: number;
  readonly lost: number;
  readonly events: number;
  readonly messages: number;
  readonly inputs: number;
  readonly signals: number;
}

/** One event of a task. */
export interface OperatedEvent {
  readonly sequence: number;
  readonly at: Date;
  readonly event: StreamResponseJson;
}

/** One recorded call of a turn; `value` is absent where it is large, and where there is none. */
export interface OperatedRecord {
  readonly place: string;
  readonly kind: string;
  readonly name?: string;
  /** Size of the value as JSON. */
  readonly bytes: number;
  readonly value?: unknown;
}

/** What an operator does to tasks. */
export type OperatorAction =
  | Repair
  | { readonly kind: 'cancel' }
  | { readonly kind: 'signal'; readonly name: string; readonly value?: unknown; readonly key?: string };

/** Which tasks an action is for: these, or the next of those that fit. */
export type Selection =
  | { readonly keys: readonly TaskKey[] }
  | { readonly filter: OperatorFilter; readonly limit: number; readonly after?: TaskKey };

/** What became of an action on one task; of a dry run, what would. */
export interface ActionReport {
  readonly tenant: string;
  readonly id: string;
  readonly outcome: 'done' | 'possible' | 'refused';
  /** Why it is refused, for programs. */
  readonly code?: string;
  /** What was done, or why it was not. */
  readonly text: string;
}

/** One page of a list; `next` is where the following one begins. */
export interface Page<Item, Position> {
  readonly items: readonly Item[];
  readonly next?: Position;
}

/** What operators see of tasks and do to them, across tenants and agents. */
export class TaskOperator {
  constructor(
    private readonly store: Store,
    private readonly parts: {
      readonly agents: AgentRegistry;
      readonly journal: TaskJournal;
      readonly signals: TaskSignals;
      readonly repair: TaskRepair;
      readonly logger: Logger;
    },
  ) {}

  /** Tasks that fit, oldest of each tenant first. A page may be short, or empty, and the list go on nevertheless. */
  async list(filter: OperatorFilter, limit: number, after?: TaskKey): Promise<Page<OperatedTask, TaskKey>> {
    const { rows, next } = await this.store.operator.page(this.store.db, filter, limit, after);
    return { items: rows.map((row) => this.operated(row)), next };
  }

  /** @throws A2AError TASK_NOT_FOUND, as all that follow do. */
  async show(key: TaskKey): Promise<OperatedTask> {
    return this.operated(await this.row(key));
  }

  /** The task's events after a sequence, oldest first; `next` is the last one's sequence. */
  async events(key: TaskKey, after: number, limit: number): Promise<Page<OperatedEvent, number>> {
    const { lastSequence } = await this.row(key);
    const events = await this.store.operator.events(this.store.db, key, after, limit, PAGE_BYTES);
    const last = events.at(-1)?.sequence;
    return {
      items: events.map(({ sequence, at, event }) => ({
        sequence,
        at,
        event: JSON.parse(event) as StreamResponseJson,
      })),
      next: last !== undefined && last < lastSequence ? last : undefined,
    };
  }

  /** What a turn has recorded, in the order in which the handler comes to it; the current turn where none is named. */
  async journal(
    key: TaskKey,
    { turn, limit, after }: { readonly turn?: number; readonly limit: number; readonly after?: CallPlace },
  ): Promise<Page<OperatedRecord, CallPlace> & { readonly turn: number }> {
    const shown = this.turnOf(await this.row(key), turn);
    const records = (await this.store.operator.records(this.store.db, key, shown)).sort(comparePlaces);
    const rest = after ? records.filter((record) => comparePlaces(record, after) > 0) : records;
    const page = rest.slice(0, limit);
    const items = await this.withValues(key, shown, page, SHOWN_VALUE_BYTES);
    return { turn: shown, items, next: rest.length > page.length ? page.at(-1) : undefined };
  }

  /** One record, with its value, whatever its size. */
  async record(key: TaskKey, place: CallPlace, turn?: number): Promise<OperatedRecord> {
    const shown = this.turnOf(await this.row(key), turn);
    const records = await this.store.operator.records(this.store.db, key, shown);
    const found = records.filter(({ branch, position }) => branch === place.branch && position === place.position);
    const [record] = await this.withValues(key, shown, found, Number.MAX_SAFE_INTEGER);
    if (record) return record;
    throw A2AError.invalidParams('place', `has no record in turn ${shown}: ${placeText(place)}`);
  }

  /**
   * Does it to each of the tasks, one after the other, and reports on each.
   * @throws A2AError INVALID_PARAMS for a signal that no task would take.
   */
  async act(action: OperatorAction, selection: Selection, dryRun = false): Promise<Page<ActionReport, TaskKey>> {
    if (action.kind === 'signal') this.parts.signals.assertDeliverable(action);
    const { keys, next } = await this.selected(action, selection);
    const items: ActionReport[] = [];
    for (const key of keys) items.push(await this.report(key, action, dryRun));
    return { items, next };
  }

  private async selected(action: OperatorAction, selection: Selection) {
    if ('keys' in selection) return { keys: selection.keys, next: undefined };
    const { filter, limit, after } = selection;
    const { rows, next } = await this.store.operator.page(this.store.db, meant(action, filter), limit, after);
    return { keys: rows.map(({ tenantId, id }) => ({ tenantId, taskId: id })), next };
  }

  private async report(key: TaskKey, action: OperatorAction, dryRun: boolean): Promise<ActionReport> {
    const { tenantId: tenant, taskId: id } = key;
    const { logger } = this.parts;
    try {
      const text = isTaskId(id) ? await this.perform(key, action, dryRun) : refuseUnknown();
      if (!dryRun) logger.info({ tenant, task: id, action: action.kind, text }, 'operator.acted');
      return { tenant, id, outcome: dryRun ? 'possible' : 'done', text };
    } catch (error) {
      if (error instanceof RepairRefusedError)
        return { tenant, id, outcome: 'refused', code: error.code, text: error.message };
      if (error instanceof A2AError) return { tenant, id, outcome: 'refused', code: error.reason, text: error.message };
      // The others are not to be left without their report.
      const errorId = randomUUID();
      logger.error({ err: error, errorId, tenant, task: id, action: action.kind }, 'operator.failed');
      return { tenant, id, outcome: 'refused', code: 'INTERNAL_ERROR', text: `Internal error. Error id: ${errorId}` };
    }
  }

  private async perform(key: TaskKey, action: OperatorAction, dryRun: boolean): Promise<string> {
    if (action.kind === 'cancel') return this.cancel(key, dryRun);
    if (action.kind === 'signal') return this.signal(key, action, dryRun);
    return this.parts.repair.repair(key, action, dryRun);
  }

  /** The clean-up of an agent that is not served here is nobody's to call. */
  private async cancel(key: TaskKey, dryRun: boolean): Promise<string> {
    const row = await this.openRow(key);
    const agent = this.parts.agents.get(row.agent);
    if (!dryRun) await this.parts.journal.cancel(key, agent ?? { id: row.agent });
    return agent ? 'the task is canceled' : `the task is canceled; agent "${row.agent}" is not served here to clean up`;
  }

  private async signal(
    key: TaskKey,
    { name, value, key: once }: Extract<OperatorAction, { kind: 'signal' }>,
    dryRun: boolean,
  ): Promise<string> {
    if (dryRun) return this.openRow(key).then(() => `a signal "${name}" can be sent`);
    const sending = this.parts.signals.deliver(key, { name, value, key: once });
    // One that is sent again is answered like the first time, also when the task has ended since. Where the database has
    // failed, the signal may be there, and have ended the task: that is no refusal.
    const { ordinal, isNew } = await sending.catch(async (error: unknown) => {
      if (error instanceof A2AError && REFUSALS.has(error.reason)) await this.openRow(key);
      throw error;
    });
    return isNew ? `signal ${ordinal} of the task` : `signal ${ordinal} of the task, which was there before`;
  }

  private async openRow(key: TaskKey): Promise<OperatorRow> {
    const row = await this.store.operator.find(this.store.db, key);
    if (!row) return refuseUnknown();
    if (!isTerminal(row.state)) return row;
    throw new RepairRefusedError('ENDED', `the task is ${TaskState[row.state]?.toLowerCase()}: it has ended`);
  }

  private async row(key: TaskKey): Promise<OperatorRow> {
    const row = isTaskId(key.taskId) ? await this.store.operator.find(this.store.db, key) : undefined;
    if (!row) throw taskNotFound(key.taskId);
    return row;
  }

  private turnOf(row: OperatorRow, turn = row.turn): number {
    if (turn >= 1 && turn <= row.turn) return turn;
    throw A2AError.invalidParams('turn', `must be from 1 to ${row.turn}, the turn the task is in`);
  }

  private async withValues(
    key: TaskKey,
    turn: number,
    records: readonly RecordSummary[],
    maxBytes: number,
  ): Promise<OperatedRecord[]> {
    const wanted = withinPage(records.filter(({ bytes }) => bytes <= maxBytes));
    const rows = await this.store.operator.values(this.store.db, key, turn, wanted, maxBytes);
    const values = new Map(rows.map((row) => [placeText(row), row.value]));
    return records.map((record) => {
      const place = placeText(record);
      const value = values.get(place) ?? undefined;
      return {
        ...{ place, kind: record.kind, bytes: record.bytes },
        ...(record.name !== null && { name: record.name }),
        ...(value !== undefined && { value: JSON.parse(value) as unknown }),
      };
    });
  }

  private operated(row: OperatorRow): OperatedTask {
    const { reason, errorId, waitsFor, runAt, deadline, agentVersion } = row;
    return {
      ...{ tenant: row.tenantId, id: row.id, agent: row.agent },
      served: this.parts.agents.get(row.agent) !== undefined,
      ...(agentVersion !== null && { agentVersion }),
      ...{ contextId: row.contextId, owner: row.owner, state: `TASK_STATE_${TaskState[row.state]}` },
      status: JSON.parse(row.status) as TaskStatusJson,
      ...{ createdAt: row.createdAt, lastModified: row.lastModified },
      ...(reason !== null && { reason }),
      ...(errorId !== null && { errorId }),
      ...(waitsFor !== null && { waitsFor }),
      ...(runAt !== null && { runAt }),
      ...(deadline !== null && { deadline }),
      lease: { token: row.leaseToken, ...(row.leaseOwner !== null && { holder: row.leaseOwner }) },
      ...{ turn: row.turn, attempt: row.attempt, lost: row.lost, events: row.lastSequence },
      ...{ messages: row.messages, inputs: row.inputs, signals: row.signals },
    };
  }
}

/** The tasks that an action by filter is for: a report on each other one would say that it is not for it. */
function meant({ kind }: OperatorAction, filter: OperatorFilter): OperatorFilter {
  if (kind === 'redrive') return { ...filter, dead: true };
  const isAboutFailed = filter.dead === true || filter.reason !== undefined || filter.state !== undefined;
  if (isAboutFailed || filter.waitsFor !== undefined) return filter;
  return kind === 'retry' ? { ...filter, waitsFor: 'retry' } : { ...filter, open: true };
}

/** As many as fit into the answer, from the first. */
function withinPage(records: readonly RecordSummary[]): RecordSummary[] {
  let bytes = 0;
  return records.filter((record, i) => (bytes += record.bytes) <= PAGE_BYTES || i === 0);
}

function refuseUnknown(): never {
  throw new RepairRefusedError('NOT_FOUND', 'there is no such task');
}
