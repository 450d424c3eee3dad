import { create, type JsonObject } from '@bufbuild/protobuf';
import { type Agent, type AgentRegistry } from '#agents';
import { type Config, type Signals } from '#platform';
import { isInterrupted, PartSchema, TaskState } from '#protocol';
import { type CallPlace, type OperatorRow, type RecordSummary, type Store, type TaskKey } from '#store';
import { decodeRequest } from './claimed-run.js';
import { encodeEvent } from './encoded-event.js';
import { isFrom, placeText } from './journal-place.js';
import { type PushArrivals } from './push-arrivals.js';
import { RepairRefusedError } from './repair-refused-error.js';
import { agentMessage, statusEvent, taskStatus } from './task-events.js';
import { ABORT_SIGNALS, OUTBOX_SIGNALS } from './task-journal.js';
import { taskSchedule } from './task-schedule.js';
import { type TaskStreams } from './task-streams.js';
import { topicKey } from './topic-key.js';
import { type TaskUpdate } from './task-update.js';

type Queryable = Parameters<Store['tasks']['lock']>[0];

/** The first call whose record a reset drops: by the name it was recorded with, or by its place. */
export type FirstCall = { readonly name: string } | { readonly place: CallPlace };

/**
 * How an operator repairs a task. `retry`: its next attempt now, or a failed task opened again. `redrive`: a dead letter opened
 * again. `reset`: the turn goes back to `first`, or to its top, and on from there.
 */
export interface Repair {
  readonly kind: 'retry' | 'redrive' | 'reset';
  readonly first?: FirstCall;
  /** The task's new deadline in milliseconds from now, null for none. */
  readonly deadlineMs?: number | null;
}

/** What is to be done to a task. */
interface Plan {
  /** In words, for the operator. */
  readonly text: string;
  readonly change: 'hasten' | 'restart';
  /** Says to the client that the task goes on, where its state changes. */
  readonly metadata?: JsonObject;
  readonly drop?: readonly CallPlace[];
  readonly deadlineMs?: number | null;
  readonly version?: string;
}

const REOPENED = 'The task goes on: its operator has started it again';

/**
 * What operators do to tasks that go no further by themselves (docs/adr/0019): event, row, records and job in one
 * transaction, under the row's lock, so that of several operators one does it and the others are told.
 */
export class TaskRepair {
  constructor(
    private readonly store: Store,
    private readonly parts: {
      readonly agents: AgentRegistry;
      readonly streams: TaskStreams;
      readonly signals: Signals;
      readonly arrivals: PushArrivals;
      readonly config: Pick<Config, 'maxEventsPerTask'>;
    },
  ) {}

  /**
   * Repairs a task, and says in words what was done; with `dryRun`, what would be.
   * @throws RepairRefusedError.
   */
  async repair(key: TaskKey, repair: Repair, dryRun = false): Promise<string> {
    const { row, plan, update } = await this.store.database.transaction(async (tx) => {
      const locked = await this.store.operator.lock(tx, key);
      if (!locked) throw new RepairRefusedError('NOT_FOUND', 'there is no such task');
      const decided = await this.plan(tx, locked, repair);
      return { row: locked, plan: decided, update: dryRun ? undefined : await this.apply(tx, locked, decided) };
    });
    if (dryRun) return plan.text;
    if (update) this.parts.streams.publish(key, [update]);
    if (update && row.hasWebhooks) this.parts.arrivals.announce();
    if (row.leaseOwner !== null) this.parts.signals.publish(ABORT_SIGNALS, topicKey(key));
    this.parts.signals.publish(OUTBOX_SIGNALS);
    return plan.text;
  }

  private async plan(tx: Queryable, row: OperatorRow, repair: Repair): Promise<Plan> {
    const agent = this.parts.agents.get(row.agent);
    if (!agent) throw new RepairRefusedError('AGENT_NOT_SERVED', `no agent "${row.agent}" is served here`);
    if (repair.kind === 'reset') return this.reset(tx, row, agent, repair);
    if (repair.kind === 'redrive' && row.reason === null) throw notDead(row);
    if (isFailed(row)) return this.reopening(tx, row, agent, repair);
    if (row.waitsFor === 'retry') return { text: 'the next attempt is due now', change: 'hasten' };
    throw new RepairRefusedError('NOT_IN_BACKOFF', notInBackoff(row));
  }

  private async reset(tx: Queryable, row: OperatorRow, agent: Agent, repair: Repair): Promise<Plan> {
    if (row.waitsFor === null && !isFailed(row)) throw ended(row);
    if ((row.state as TaskState) === TaskState.SUBMITTED) {
      throw new RepairRefusedError('NOT_BEGUN', 'its handler has not begun: there is nothing to go back to');
    }
    const records = await this.store.operator.records(tx, keyOf(row), row.turn);
    const calls = records.filter(({ kind }) => kind !== 'turn' && kind !== 'retry');
    const first = repair.first && placeIn(records, repair.first);
    const drop = first ? calls.filter((call) => isFrom(call, first)) : calls;
    const text = `${drop.length} of ${calls.length} records are dropped, and the turn goes on from there`;
    const version = drop.length === calls.length ? agent.card.version : undefined;
    if (isFailed(row)) return { ...(await this.reopening(tx, row, agent, repair)), text, drop, version };
    const metadata = isInterrupted(row.state) ? { reason: 'reset' } : undefined;
    return { text, change: 'restart', metadata, drop, version, deadlineMs: repair.deadlineMs };
  }

  private async reopening(tx: Queryable, row: OperatorRow, agent: Agent, repair: Repair): Promise<Plan> {
    const { maxEventsPerTask } = this.parts.config;
    // One for the event that opens it, and one for the event that ends it.
    if (row.lastSequence + 2 > maxEventsPerTask) {
      const fact = `the task has ${row.lastSequence} events; the limit is ${maxEventsPerTask} (PERDURE_MAX_EVENTS)`;
      throw new RepairRefusedError('TOO_MANY_EVENTS', fact);
    }
    const previous = { previousReason: row.reason, previousErrorId: row.errorId };
    const given = Object.entries(previous).filter((entry): entry is [string, string] => entry[1] !== null);
    return {
      text: 'the task is opened again, and goes on from what it has recorded',
      change: 'restart',
      metadata: { reason: repair.kind === 'reset' ? 'reset' : 'redriven', ...Object.fromEntries(given) },
      deadlineMs: await this.nextDeadline(tx, row, agent, repair),
    };
  }

  /**
   * A failed task has no deadline any more. The agent's own counts anew; the client's holds as it was, and once it has
   * passed nobody waits for the task, unless the operator knows better.
   */
  private async nextDeadline(tx: Queryable, row: OperatorRow, agent: Agent, { deadlineMs }: Repair) {
    if (deadlineMs !== undefined) return deadlineMs;
    const { metadata } = decodeRequest(await this.store.operator.firstRequest(tx, keyOf(row)));
    const { deadline } = taskSchedule(metadata, row.createdAt.getTime());
    const left = deadline && deadline.getTime() - Date.now();
    if (row.reason === 'deadline' || (left !== undefined && left <= 0)) {
      throw new RepairRefusedError('DEADLINE_PASSED', 'its deadline has passed: give it a new one');
    }
    const limits = [left, agent.deadlineMs].filter((ms) => ms !== undefined);
    return limits.length > 0 ? Math.min(...limits) : null;
  }

  /** Failures of steps that have not succeeded: they are counted from the first again, like those of the handler. */
  private async failures(tx: Queryable, row: OperatorRow): Promise<CallPlace[]> {
    const records = await this.store.operator.records(tx, keyOf(row), row.turn);
    return records.filter(({ kind }) => kind === 'retry');
  }

  private async apply(tx: Queryable, row: OperatorRow, plan: Plan): Promise<TaskUpdate | undefined> {
    const { operator, tasks, outbox } = this.store;
    if (plan.change === 'hasten') {
      await operator.hasten(tx, row);
      await outbox.add(tx, keyOf(row));
      return undefined;
    }
    await operator.dropRecords(tx, row, [...(plan.drop ?? []), ...(await this.failures(tx, row))]);
    await operator.reviveDelegations(tx, row);
    const event = plan.metadata && reopenedEvent(row, plan.metadata);
    const status = event?.status && { ...event.status, event: event.text };
    const { deadlineMs, version } = plan;
    await operator.restart(tx, row, { at: event?.at ?? new Date(), status, deadlineMs, version });
    await outbox.add(tx, keyOf(row));
    if (status) await tasks.moveCount(tx, row, status.state);
    return event && { sequence: row.lastSequence + 1, response: event.response, text: event.text };
  }
}

function reopenedEvent(row: OperatorRow, metadata: JsonObject) {
  const subject = { taskId: row.id, contextId: row.contextId };
  const part = create(PartSchema, { content: { case: 'text', value: REOPENED } });
  return encodeEvent(
    statusEvent(subject, taskStatus(TaskState.WORKING, new Date(), agentMessage(subject, [part], metadata))),
  );
}

/** The place of the call that a reset goes back to. */
function placeIn(records: readonly RecordSummary[], first: FirstCall): CallPlace {
  if ('place' in first) {
    const found = records.find(
      ({ branch, position }) => branch === first.place.branch && position === first.place.position,
    );
    if (found && found.kind !== 'turn' && found.kind !== 'retry') return found;
    const fact = found ? `holds a ${found.kind}, which is no call of the handler` : 'holds no record of this turn';
    throw new RepairRefusedError('NO_SUCH_CALL', `the place ${placeText(first.place)} ${fact}`);
  }
  const named = records.filter(({ name, kind }) => name === first.name && kind !== 'retry' && kind !== 'all');
  const [only] = named;
  if (only && named.length === 1) return only;
  if (!only) throw new RepairRefusedError('NO_SUCH_CALL', `this turn has no record of a call named "${first.name}"`);
  const places = named.slice(0, 10).map(placeText).join(', ');
  const fact = `this turn has ${named.length} calls named "${first.name}", at ${places}: name the place`;
  throw new RepairRefusedError('AMBIGUOUS_CALL', fact);
}

function isFailed({ state }: OperatorRow): boolean {
  return (state as TaskState) === TaskState.FAILED;
}

function keyOf({ tenantId, id }: OperatorRow): TaskKey {
  return { tenantId, taskId: id };
}

function stateText({ state }: OperatorRow): string {
  return (TaskState[state] ?? 'unknown').toLowerCase().replaceAll('_', '-');
}

function ended(row: OperatorRow): RepairRefusedError {
  return new RepairRefusedError('ENDED', `the task is ${stateText(row)}, and stays so: only a failed one can go on`);
}

function notDead(row: OperatorRow): RepairRefusedError {
  if (row.waitsFor !== null)
    return new RepairRefusedError('NOT_FAILED', `the task is ${stateText(row)}: it has not failed`);
  if (!isFailed(row)) return ended(row);
  return new RepairRefusedError('NOT_DEAD', 'its agent has failed it on purpose, not the engine: use retry');
}

/** Why there is no attempt to bring forward, for a task that has not failed. */
function notInBackoff(row: OperatorRow): string {
  switch (row.waitsFor) {
    case null:
      return ended(row).message;
    case 'run':
      return `it is being run by ${row.leaseOwner}: use reset to run it anew`;
    case 'takeover':
      return `it was run by ${row.leaseOwner}, and is about to be taken over`;
    case 'worker':
      return 'it is due already, and waits for a worker with a free slot';
    case 'input':
    case 'auth':
      return 'it waits for a message from its client';
    case 'start':
      return `it is scheduled for ${row.runAt?.toISOString()}`;
    case 'timer':
      return `it sleeps until ${row.runAt?.toISOString()}`;
    default:
      return `it waits for a ${row.waitsFor}`;
  }
}
