import type { Client, RequestOptions } from '@a2a-js/sdk/client';
import { type DescMessage, type MessageShape } from '@bufbuild/protobuf';
import { PUSH_FILTER_EXTENSION, SCHEDULING_EXTENSION } from '#agents';
import {
  A2AError,
  decodeJson,
  isLoopback,
  isSettled,
  MessageSchema,
  type SendMessageRequestJson,
  type Task,
  TaskSchema,
  TaskState,
} from '#protocol';
import { type ClaimedDelegation } from '#store';
import { type TaskCallbacks } from '#tasks';
import { type Peer, type PeerAnswer, PeerError, type PeerProblem } from './peer.js';
import { type DiscoveredPeer, type PeerPush, type RemotePeers } from './remote-peers.js';

/** How many of the peer's newest tasks are looked through for one that an earlier try may have made. */
const LOOK_BACK = 100;
const TASK_ID_MAX = 512;
/** So often a message asks for callbacks, where the peer does not say what it finds wrong. */
const INVITED_TRIES = 3;
/** What the wait for a task can end with, and a first word, which shows that the peer reaches this server. */
const WANTED = 'states=submitted,completed,failed,canceled,rejected,input-required,auth-required; artifacts=false';

/** What agents elsewhere are reached with. */
export interface RemotePeerParts {
  readonly peers: RemotePeers;
  readonly callbacks: TaskCallbacks;
}

/** An agent elsewhere, over the official SDK's client. Everything that it answers is checked again. */
export class RemotePeer implements Peer {
  constructor(
    private readonly parts: RemotePeerParts,
    private readonly delegation: ClaimedDelegation,
  ) {}

  /** Where the peer takes no webhook, or not this one, the message goes without. */
  async send(signal: AbortSignal): Promise<PeerAnswer> {
    const peer = await this.parts.peers.at(this.delegation.peer);
    const invited = await this.inviting(peer);
    if (!invited) return this.sendAs(this.request, this.options(signal));
    try {
      const answer = await this.sendAs(invited, this.options(signal, peer.push));
      return { ...answer, willCall: true };
    } catch (error) {
      if (!(error instanceof PeerError) || error.problem !== 'refused') throw error;
      const answer = await this.sendAs(this.request, this.options(signal));
      peer.push = undefined;
      return { ...answer, refusal: error };
    }
  }

  /**
   * The peer may know no idempotency keys, or have forgotten this one. Then this finds what ListTasks shows with its
   * history; where it shows nothing, the message is sent again.
   */
  async find(signal: AbortSignal): Promise<Task | undefined> {
    const { Task } = await import('@a2a-js/sdk');
    try {
      const candidates = await this.answered(({ client }) => this.candidates(client, signal));
      const { id } = this.delegation;
      const found = candidates.find(({ history }) => history.some(({ messageId }) => messageId === id));
      return found && checkedTask(Task.toJSON(found));
    } catch (error) {
      if (error instanceof PeerError && error.problem !== 'unreachable') return undefined;
      throw error;
    }
  }

  async task(id: string, signal: AbortSignal): Promise<Task> {
    const { Task } = await import('@a2a-js/sdk');
    const params = { tenant: '', id, historyLength: 0 };
    const answer = await this.answered(({ client }) => client.getTask(params, this.options(signal)));
    const task = checkedTask(Task.toJSON(answer));
    if (task.id !== id) throw new PeerError('invalid', 'the peer answers GetTask with another task');
    return task;
  }

  async cancel(id: string, signal: AbortSignal): Promise<void> {
    try {
      await this.answered(({ client }) =>
        client.cancelTask({ tenant: '', id, metadata: undefined }, this.options(signal)),
      );
    } catch (error) {
      // Whatever else it says to that, it will say again.
      if (error instanceof PeerError && error.problem !== 'unreachable') return;
      throw error;
    }
  }

  async watch(id: string, signal: AbortSignal): Promise<boolean> {
    try {
      const { client, streams } = await this.parts.peers.at(this.delegation.peer);
      if (!streams) return false;
      for await (const { payload } of client.resubscribeTask({ tenant: '', id }, this.options(signal))) {
        const isState = payload?.$case === 'task' || payload?.$case === 'statusUpdate';
        const state = isState ? (payload.value.status?.state as TaskState | undefined) : undefined;
        if (state !== undefined && isSettled(state)) break;
      }
    } catch {
      // What is true is asked for in any case.
    }
    return true;
  }

  private async sendAs(request: SendMessageRequestJson, options: RequestOptions): Promise<PeerAnswer> {
    const { Message, SendMessageRequest, Task } = await import('@a2a-js/sdk');
    const answer = await this.answered(({ client }) =>
      client.sendMessage(SendMessageRequest.fromJSON(request), options),
    );
    if ('messageId' in answer) return { message: checked(MessageSchema, Message.toJSON(answer)) };
    return { task: checkedTask(Task.toJSON(answer)) };
  }

  /**
   * The request with a webhook of ours, where both sides can. It is the same each time it is sent; a peer that fails over it
   * gets the other, unless that were another request under the same key.
   */
  private async inviting({ push, honoursKeys }: DiscoveredPeer): Promise<SendMessageRequestJson | undefined> {
    const { id, taskId, looks, peer } = this.delegation;
    const address = push && this.parts.callbacks.address(id);
    if (!address || !mayReach(address.url, peer) || (looks > INVITED_TRIES && !honoursKeys)) return undefined;
    await this.parts.callbacks.expect(this.delegation, push.jwks);
    // Another Perdure signs where it is asked for a bearer token of its own making.
    const authentication = { scheme: 'Bearer', credentials: push.jwks === undefined ? address.token : '' };
    // By its name the next message to the peer's task replaces it.
    const taskPushNotificationConfig = { id: taskId, ...address, authentication };
    const { configuration } = this.request;
    return { ...this.request, configuration: { ...configuration, taskPushNotificationConfig } };
  }

  /** The tasks among which the message's own may be. */
  private async candidates(client: Client, signal: AbortSignal) {
    const { taskId } = this.request.message ?? {};
    if (taskId)
      return [await client.getTask({ tenant: '', id: taskId, historyLength: undefined }, this.options(signal))];
    const { tasks } = await client.listTasks(
      {
        ...{ tenant: '', contextId: this.request.message?.contextId ?? '', status: 0 },
        ...{ pageSize: LOOK_BACK, pageToken: '', historyLength: LOOK_BACK, includeArtifacts: false },
        statusTimestampAfter: undefined,
      },
      this.options(signal),
    );
    return tasks;
  }

  private get request(): SendMessageRequestJson {
    return JSON.parse(this.delegation.request) as SendMessageRequestJson;
  }

  private options(signal: AbortSignal, push?: PeerPush): RequestOptions {
    const { metadata = {} } = this.request;
    const { traceparent } = metadata;
    const serviceParameters: Record<string, string> = { 'Idempotency-Key': this.delegation.id };
    if (typeof traceparent === 'string') serviceParameters.traceparent = traceparent;
    if (push?.filters) serviceParameters['Push-Filter'] = WANTED;
    const extensions = [
      ...(SCHEDULING_EXTENSION.uri in metadata ? [SCHEDULING_EXTENSION.uri] : []),
      ...(push?.filters ? [PUSH_FILTER_EXTENSION.uri] : []),
    ];
    if (extensions.length > 0) serviceParameters['A2A-Extensions'] = extensions.join(',');
    return { signal, serviceParameters };
  }

  private async answered<T>(call: (peer: DiscoveredPeer) => Promise<T>): Promise<T> {
    const peer = await this.parts.peers.at(this.delegation.peer);
    try {
      return await call(peer);
    } catch (error) {
      throw asPeerError(error);
    }
  }
}

/** An address of this machine is another one's own elsewhere. */
function mayReach(url: string, peer: string): boolean {
  return !isLoopback(new URL(url).hostname) || isLoopback(new URL(peer).hostname);
}

/** Reads what the SDK has let pass as a message of the protocol. */
function checked<Desc extends DescMessage>(schema: Desc, json: unknown): MessageShape<Desc> {
  try {
    return decodeJson(schema, json);
  } catch (error) {
    const fact = error instanceof A2AError ? error.violations.map((v) => `${v.field} ${v.description}`).join(', ') : '';
    throw new PeerError('invalid', `what the peer answers is no ${schema.name}: ${fact}`, { cause: error });
  }
}

function checkedTask(json: unknown): Task {
  const task = checked(TaskSchema, json);
  const { id, status } = task;
  const hasId = id !== '' && id.length <= TASK_ID_MAX;
  const hasState = status !== undefined && status.state !== TaskState.UNSPECIFIED && status.state in TaskState;
  if (hasId && hasState) return task;
  throw new PeerError(
    'invalid',
    `the peer answers with a task without ${hasId ? 'a state' : 'an id of a usable length'}`,
  );
}

/** What the SDK's client throws: its errors by the protocol's reasons, or by what the transport said. */
interface ClientError {
  readonly message?: string;
  readonly reason?: string;
  /** Of a JSON-RPC error. */
  readonly envelopeCode?: number;
  /** Of an HTTP+JSON error. */
  readonly statusCode?: number;
}

function asPeerError(error: unknown): PeerError {
  if (error instanceof PeerError) return error;
  const { message = String(error) } = error as ClientError;
  return new PeerError(problemOf(error as ClientError), message, { cause: error });
}

function problemOf({ reason, envelopeCode, statusCode }: ClientError): PeerProblem {
  if (reason === undefined) return 'invalid';
  if (reason === 'TASK_NOT_FOUND') return 'lost';
  if (reason !== 'INTERNAL_ERROR' || statusCode !== undefined) return 'refused';
  // -32603, and the codes that JSON-RPC leaves to servers: what fails inside may pass.
  const isItsFault = envelopeCode !== undefined && envelopeCode <= -32_000 && envelopeCode >= -32_768;
  return isItsFault ? 'unreachable' : 'refused';
}
