import { create, fromJson, type JsonValue } from '@bufbuild/protobuf';
import { type AgentRegistry } from '#agents';
import {
  A2AError,
  type A2AErrorReason,
  type CallContext,
  CancelTaskRequestSchema,
  GetTaskRequestSchema,
  SendMessageRequestSchema,
  type Task,
} from '#protocol';
import { type ClaimedDelegation, type Store } from '#store';
import { type TaskService } from '#tasks';
import { type Peer, type PeerAnswer, PeerError, type PeerProblem } from './peer.js';

const PASSING: readonly A2AErrorReason[] = ['INTERNAL_ERROR', 'RESOURCE_EXHAUSTED', 'UNAVAILABLE'];

/** What agents of this server are reached with. */
export interface LocalPeerParts {
  readonly service: TaskService;
  readonly agents: AgentRegistry;
  readonly store: Store;
}

/** An agent of this server: its tasks are made by the same operations as everybody's, in the delegating task's name. */
export class LocalPeer implements Peer {
  constructor(
    private readonly parts: LocalPeerParts,
    private readonly delegation: ClaimedDelegation,
  ) {}

  async send(signal: AbortSignal): Promise<PeerAnswer> {
    const { peer, request } = this.delegation;
    // Another process may know it: one with an older or newer set of agents runs beside this one.
    if (!this.parts.agents.get(peer)) throw new PeerError('unreachable', `there is no agent ${peer} in this process`);
    return this.answered(async () => {
      const message = fromJson(SendMessageRequestSchema, JSON.parse(request) as JsonValue);
      const { payload } = await this.parts.service.sendMessage(message, this.context(signal));
      return payload.case === 'message' ? { message: payload.value } : { task: payload.value! };
    });
  }

  async find(signal: AbortSignal): Promise<Task | undefined> {
    const { tenantId, owner, peer, id } = this.delegation;
    const { store } = this.parts;
    const scope = { tenantId, owner, agent: peer, key: id };
    const earlier = await this.answered(() => store.idempotency.find(store.db, scope));
    return earlier?.taskId ? this.task(earlier.taskId, signal) : undefined;
  }

  task(id: string, signal: AbortSignal): Promise<Task> {
    const request = create(GetTaskRequestSchema, { id, historyLength: 0 });
    return this.answered(() => this.parts.service.getTask(request, this.context(signal)));
  }

  async cancel(id: string, signal: AbortSignal): Promise<void> {
    try {
      await this.parts.service.cancelTask(create(CancelTaskRequestSchema, { id }), this.context(signal));
    } catch (error) {
      const isOver = error instanceof A2AError && ['TASK_NOT_CANCELABLE', 'TASK_NOT_FOUND'].includes(error.reason);
      if (!isOver) throw asPeerError(error);
    }
  }

  /** The task's own commits tell the followers of it. */
  watch(): Promise<false> {
    return Promise.resolve(false);
  }

  private context(signal: AbortSignal): CallContext {
    const { tenantId: tenant, owner: principal, peer: agent, id: idempotencyKey } = this.delegation;
    return { tenant, principal, agent, idempotencyKey, extensions: [], signal };
  }

  private async answered<T>(call: () => Promise<T>): Promise<T> {
    try {
      return await call();
    } catch (error) {
      throw asPeerError(error);
    }
  }
}

function asPeerError(error: unknown): PeerError {
  return new PeerError(problemOf(error), error instanceof Error ? error.message : String(error), { cause: error });
}

function problemOf(error: unknown): PeerProblem {
  if (!(error instanceof A2AError) || PASSING.includes(error.reason)) return 'unreachable';
  return error.reason === 'TASK_NOT_FOUND' ? 'lost' : 'refused';
}
