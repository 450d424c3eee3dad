import { type Config, type Signals } from '#platform';
import { A2AError, isTerminal, jsonViolation } from '#protocol';
import { type NewSignal, type Store, type TaskKey, type TaskRow } from '#store';
import { type EagerStart } from './eager-start.js';
import { isTaskId } from './send-request.js';
import { OUTBOX_SIGNALS } from './task-journal.js';
import { taskNotFound } from './task-not-found.js';
import { topicKey } from './topic-key.js';

/** Where runs are told that their task has a new signal, by `tenant/task`. */
export const TASK_SIGNALS = 'task-signals';

const NAME = /^[A-Za-z0-9][A-Za-z0-9_.:-]{0,127}$/;
const KEY_MAX = 255;

/** What {@link isSignalName} holds a name to, for error texts. */
export const SIGNAL_NAME_RULE = '1 to 128 letters, digits, _ . : or -, the first a letter or digit';

/** Whether handlers may wait for signals of this name, and others send them. */
export function isSignalName(name: unknown): name is string {
  return typeof name === 'string' && NAME.test(name);
}

/** A value for a handler that waits for it by name. */
export interface TaskSignal {
  readonly name: string;
  /** Any JSON value; undefined is null. */
  readonly value?: unknown;
  /** A signal that comes again under the same name and key counts once. */
  readonly key?: string;
}

/** What became of a signal. */
export interface DeliveredSignal {
  /** Its number within the task, from 1. */
  readonly ordinal: number;
  /** False where its key was there before. */
  readonly isNew: boolean;
}

/**
 * Brings signals to tasks: each is a row, kept until a call of the handler takes it. A run that is under way is told of
 * it, and a task that waits for signals is due at once.
 */
export class TaskSignals {
  constructor(
    private readonly store: Store,
    private readonly signals: Signals,
    private readonly eager: EagerStart,
    private readonly config: Pick<Config, 'maxSignalsPerTask' | 'maxSignalBytes'>,
  ) {}

  /**
   * Delivers a signal that somebody outside has sent.
   * @throws A2AError INVALID_PARAMS (a name, value or key that cannot be; a key that stands for another value),
   * TASK_NOT_FOUND, UNSUPPORTED_OPERATION (the task has ended), RESOURCE_EXHAUSTED (it has too many signals).
   */
  async deliver(to: TaskKey, signal: TaskSignal): Promise<DeliveredSignal> {
    return this.bring(to, this.ofOutside(signal), (row) => this.assertRoom(row));
  }

  /** @throws A2AError INVALID_PARAMS for a signal that no task would take. */
  assertDeliverable(signal: TaskSignal): void {
    this.ofOutside(signal);
  }

  /**
   * Delivers a signal of the server's own, for a call that waits for more than authors can name. Its name begins with
   * `$`, so nobody outside can send it. There is one for each such call, so they are not counted.
   * @throws A2AError like `deliver`.
   */
  async deliverInternal(to: TaskKey, signal: TaskSignal & { readonly name: `$${string}` }): Promise<DeliveredSignal> {
    return this.bring(to, this.checked(signal), () => undefined);
  }

  private async bring(to: TaskKey, signal: NewSignal, assertTaken: (row: TaskRow) => void): Promise<DeliveredSignal> {
    if (!isTaskId(to.taskId)) throw taskNotFound(to.taskId);
    const { row, ordinal } = await this.store.database.transaction(async (tx) => {
      const row = await this.store.tasks.lock(tx, to);
      if (!row) throw taskNotFound(to.taskId);
      // First of all: a signal that is sent again is answered like the first time, whatever has become of the task since.
      const earlier = signal.key === null ? undefined : await this.store.signals.byKey(tx, to, signal.name, signal.key);
      if (earlier) return { ordinal: sameSignal(earlier, signal) };
      assertOpen(row);
      assertTaken(row);
      const ordinal = await this.store.signals.add(tx, row, signal);
      if (row.listens) await this.store.outbox.add(tx, to);
      return { row, ordinal };
    });
    if (row) this.tell(to, row);
    return { ordinal, isNew: row !== undefined };
  }

  /** Whoever has to act on it: a process with a slot for a task that listens, or the run under way. */
  private tell(to: TaskKey, { listens, leaseOwner, agent }: TaskRow): void {
    if (listens && !this.eager.wake(to, agent)) this.signals.publish(OUTBOX_SIGNALS);
    if (leaseOwner !== null) this.signals.publish(TASK_SIGNALS, topicKey(to));
  }

  private ofOutside(signal: TaskSignal): NewSignal {
    if (!isSignalName(signal.name)) throw A2AError.invalidParams('name', `is not ${SIGNAL_NAME_RULE}`);
    return this.checked(signal);
  }

  private checked({ name, value = null, key }: TaskSignal): NewSignal {
    const violation = jsonViolation(value, 'value');
    if (violation) throw A2AError.invalidParams([violation]);
    const text = JSON.stringify(value);
    const bytes = Buffer.byteLength(text);
    const { maxSignalBytes } = this.config;
    if (bytes > maxSignalBytes) {
      const fact = `has ${bytes} bytes; the limit is ${maxSignalBytes} (PERDURE_MAX_SIGNAL)`;
      throw A2AError.invalidParams('value', fact);
    }
    if (key !== undefined && !isKey(key))
      throw A2AError.invalidParams('key', `is not 1 to ${KEY_MAX} printable ASCII characters`);
    return { name, value: text, key: key ?? null };
  }

  private assertRoom({ id, signals }: TaskRow): void {
    const { maxSignalsPerTask } = this.config;
    if (signals < maxSignalsPerTask) return;
    const message = `The task has ${signals} signals; that is the limit (PERDURE_MAX_SIGNALS)`;
    throw new A2AError('RESOURCE_EXHAUSTED', { message, metadata: { taskId: id } });
  }
}

function isKey(key: unknown): boolean {
  return typeof key === 'string' && key.length <= KEY_MAX && /^[\x20-\x7e]+$/.test(key);
}

function sameSignal(earlier: { ordinal: number; value: string }, { value }: NewSignal): number {
  if (earlier.value !== value) throw A2AError.invalidParams('key', 'was used before for another value');
  return earlier.ordinal;
}

function assertOpen({ id, state }: TaskRow): void {
  if (!isTerminal(state)) return;
  const message = 'The task has ended and takes no more signals';
  throw new A2AError('UNSUPPORTED_OPERATION', { message, metadata: { taskId: id } });
}
