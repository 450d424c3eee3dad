import { randomUUID } from 'node:crypto';
import { create, fromJson, type JsonObject, type JsonValue } from '@bufbuild/protobuf';
import {
  type Content,
  type DelegatedMessage,
  type DelegatePolicy,
  DelegationError,
  type DelegationResult,
} from '#agents';
import {
  isInterrupted,
  jsonText,
  type Message,
  type MessageJson,
  MessageSchema,
  type Part,
  type PartJson,
  PartSchema,
  Role,
  SendMessageRequestSchema,
  type Task,
  TaskSchema,
  TaskState,
} from '#protocol';
import { DelegationState, type JournalRecord } from '#store';
import {
  assertText,
  type CallRequest,
  delegatedMetadata,
  delegationDepth,
  type DelegationOrigin,
  delegationSignal,
  InvalidOutputError,
  metadataOf,
  partsOf,
} from '#tasks';
import { type DelegationOutcome, resultOf, statusName } from './delegation-outcome.js';
import { type PeerName } from './peer-name.js';
import { type CallSequence, type RecordedCall } from '../run-journal.js';
import { type RunTurn } from '../run-turn.js';
import { type Strand } from '../run-waits.js';

/** Asks the task's own client, as `task.requestInput` and `task.requestAuth` do. */
export type AskClient = (call: RecordedCall, state: TaskState, parts: Part[]) => Promise<MessageJson>;

/** What a delegation is made with. */
export interface DelegatedCallParts {
  readonly turn: RunTurn;
  readonly strand: Strand;
  readonly call: RecordedCall;
  readonly peer: PeerName;
  readonly policy: DelegatePolicy;
  readonly ask: AskClient;
}

/** A message to send, and what of the peer it answers. */
interface Sending {
  readonly message: Message;
  readonly answers: { readonly id: string; readonly status: string | null } | undefined;
}

/**
 * One `task.delegate`. Recorded is, before anything is sent, the id that the message goes by; then that something came of
 * it, which stands in the delegation's row. A question that is relayed makes another round: ask, send, wait.
 */
export class DelegatedCall {
  private readonly inner: CallSequence;
  private readonly metadata: JsonObject;

  constructor(private readonly parts: DelegatedCallParts) {
    this.inner = parts.call.within();
    this.metadata = metadataOf(parts.policy.metadata, 'the metadata of a delegation');
    parts.turn.delegates = true;
  }

  async result(given: Content | DelegatedMessage): Promise<DelegationResult> {
    const { call: first, peer, policy } = this.parts;
    let sending: Sending = { message: messageOf(given), answers: undefined };
    if (!first.recorded) this.assertMayDelegate();
    const deadline = await this.deadline();
    for (let call = first; ; call = this.inner.next('delegate', peer.name)) {
      const { id, outcome } = await this.send(call, sending, deadline);
      // Dropped while the task stood as ended, and now it goes on: what is sent anew is another message.
      if (!outcome) continue;
      const asking = policy.relay ? questionIn(outcome) : undefined;
      if (!asking) return resultOf(outcome, peer.name);
      sending = { message: await this.relay(asking), answers: { id, status: statusName(asking) } };
    }
  }

  private async send(call: RecordedCall, sending: Sending, deadline: Date | undefined) {
    const { turn, strand } = this.parts;
    const record = call.recorded ?? (await this.recorded(call));
    const id = JSON.parse(record.value!) as string;
    const heard = this.inner.next('waitFor', delegationSignal(id));
    if (!heard.recorded) {
      const isOver = await this.handOver(record, id, sending, deadline);
      const signal = isOver ? undefined : await turn.signals.next(strand, delegationSignal(id));
      await turn.writer.record(heard.record(signal === undefined ? null : String(signal)));
    }
    const stored = await turn.delegations.outcome({ ...turn.run.lease, id });
    const outcome = stored?.outcome ? (JSON.parse(stored.outcome) as DelegationOutcome) : undefined;
    return { id, outcome };
  }

  private async recorded(call: RecordedCall): Promise<JournalRecord> {
    const record = call.record(JSON.stringify(randomUUID()));
    await this.parts.turn.writer.record(record);
    return record;
  }

  /** Once for each id, however often this is replayed. True where it is over, and no signal may come: the task had ended. */
  private async handOver(record: JournalRecord, id: string, sending: Sending, deadline: Date | undefined) {
    const { turn, peer, policy } = this.parts;
    const { tenantId, taskId } = turn.run.lease;
    const { message, answers } = sending;
    const stands = await turn.delegations.send({
      ...{ tenantId, taskId, id, turn: record.turn, branch: record.branch, position: record.position },
      ...{ peer: peer.name, isLocal: peer.isLocal, relays: policy.relay, deadline: deadline ?? null },
      request: this.request(id, message, deadline),
      peerTask: message.taskId || null,
      answers: answers?.status ?? null,
    });
    if (answers) await turn.delegations.answered({ tenantId, taskId, id: answers.id });
    return stands?.state === DelegationState.OVER;
  }

  private request(id: string, message: Message, deadline: Date | undefined): string {
    const isNew = message.taskId === '';
    return jsonText(
      SendMessageRequestSchema,
      create(SendMessageRequestSchema, {
        message: { ...message, messageId: id },
        configuration: { returnImmediately: true, historyLength: 0 },
        metadata: delegatedMetadata(this.metadata, this.origin, isNew ? deadline : undefined),
      }),
    );
  }

  /** The peer's question goes to the client as the task's own, and the client's answer to the peer. */
  private async relay(task: Task): Promise<Message> {
    const { state, message: question } = task.status!;
    const call = this.inner.next(state === TaskState.AUTH_REQUIRED ? 'auth' : 'input');
    const answer = await this.parts.ask(call, state, questionParts(question, this.parts.peer));
    const { parts, metadata } = fromJson(MessageSchema, answer as JsonValue);
    return create(MessageSchema, { role: Role.USER, parts, metadata, taskId: task.id, contextId: task.contextId });
  }

  /** By when it has to be over; recorded when it begins, so that a replay has what is left of it. */
  private async deadline(): Promise<Date | undefined> {
    const { turn, policy, peer } = this.parts;
    const ofTask = turn.run.deadline ?? undefined;
    if (policy.timeoutMs === undefined) return ofTask;
    const timeout = this.inner.next('timeout', peer.name);
    const due = timeout.recorded
      ? Date.parse(JSON.parse(timeout.recorded.value!) as string)
      : (await turn.clock.now()) + policy.timeoutMs;
    if (!timeout.recorded) await turn.writer.note(timeout.record(JSON.stringify(new Date(due))));
    return ofTask && ofTask.getTime() < due ? ofTask : new Date(due);
  }

  private assertMayDelegate(): void {
    const { turn, peer } = this.parts;
    const { delegationDepth: maxDepth, peers } = turn.config;
    if (delegationDepth(this.origin) >= maxDepth) {
      const fact = `the task was delegated ${maxDepth} times already; that is the limit (PERDURE_DELEGATION_DEPTH)`;
      throw new DelegationError('depth', `delegation to ${peer.name}: ${fact}`);
    }
    if (peer.isLocal && !turn.agents.get(peer.name)) {
      throw new DelegationError('refused', `delegation to ${peer.name}: there is no such agent here`);
    }
    if (!peer.isLocal && peers.length > 0 && !peers.includes(new URL(peer.name).origin)) {
      throw new DelegationError('refused', `delegation to ${peer.name}: its origin is none of PERDURE_PEERS`);
    }
  }

  private get origin(): DelegationOrigin {
    const { inputs, lease } = this.parts.turn.run;
    return { taskId: lease.taskId, metadata: inputs.map(({ request }) => originOf(request)) };
  }
}

/** A trace that the metadata names comes before that of the call. */
function originOf({ metadata, traceparent }: CallRequest): JsonObject {
  return traceparent === undefined ? metadata : { traceparent, ...metadata };
}

function messageOf(given: Content | DelegatedMessage): Message {
  if (typeof given !== 'object' || given === null || !('parts' in given)) {
    return create(MessageSchema, { role: Role.USER, parts: partsOf(given) });
  }
  const { taskId = '', contextId = '' } = given;
  assertText(taskId, 'the taskId of a delegated message');
  assertText(contextId, 'the contextId of a delegated message');
  const metadata = given.metadata && metadataOf(given.metadata, 'a delegated message');
  return create(MessageSchema, { role: Role.USER, parts: partsOf(given.parts), taskId, contextId, metadata });
}

/** The peer's task, where it waits for its client. */
function questionIn({ task, problem }: DelegationOutcome): Task | undefined {
  const asked = task && !problem ? fromJson(TaskSchema, task as JsonValue) : undefined;
  return asked && isInterrupted(asked.status!.state) ? asked : undefined;
}

/** What a peer says may be nothing that can be said on. */
function questionParts(question: Message | undefined, { name }: PeerName): Part[] {
  try {
    return partsOf((question?.parts ?? []).map((part) => JSON.parse(jsonText(PartSchema, part)) as PartJson));
  } catch (error) {
    if (!(error instanceof InvalidOutputError)) throw error;
    return partsOf(`${name} asks for something, without saying what`);
  }
}
