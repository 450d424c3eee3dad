import { type Message, type Task } from '#protocol';

/** What a peer answers to a message: its task, or words without one. */
export type PeerAnswer = (
  { readonly task: Task; readonly message?: undefined } | { readonly task?: undefined; readonly message: Message }
) & {
  /** Whether the peer has taken a webhook of ours. */
  readonly willCall?: boolean;
  /** Why it has not, where it was asked to. */
  readonly refusal?: PeerError;
};

/** Another agent at the other end of one delegation. All methods fail with {@link PeerError}, or with what `signal` says. */
export interface Peer {
  /** Sends the message. Where the peer honours idempotency keys, a second time gives what the first time gave. */
  send(signal: AbortSignal): Promise<PeerAnswer>;
  /** The task that an earlier `send` has led to, where that can be found out without sending again. */
  find(signal: AbortSignal): Promise<Task | undefined>;
  /** The task as it is, with artifacts and without its history. */
  task(id: string, signal: AbortSignal): Promise<Task>;
  /** Tells the peer that nobody waits for the task any more. One that has ended, or is gone, is as good as canceled. */
  cancel(id: string, signal: AbortSignal): Promise<void>;
  /** Waits until there may be something new, for as long as the peer shows the task; false at once where it never does. */
  watch(id: string, signal: AbortSignal): Promise<boolean>;
}

/**
 * Why a peer gave no usable answer. `unreachable` may pass: it is tried again. `refused`: it does not take the call.
 * `lost`: it does not know the task. `invalid`: what it answers is not A2A, or too large.
 */
export type PeerProblem = 'unreachable' | 'refused' | 'lost' | 'invalid';

const TEXT_MAX = 500;

/** A peer gave no usable answer. The text is for the log and for the handler's author. */
export class PeerError extends Error {
  override readonly name = 'PeerError';

  constructor(
    readonly problem: PeerProblem,
    text: string,
    options?: ErrorOptions,
  ) {
    super(text.length > TEXT_MAX ? `${text.slice(0, TEXT_MAX)}…` : text, options);
  }
}
