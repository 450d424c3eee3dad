import { setTimeout as delay } from 'node:timers/promises';
import { isFail, isReject, type StepFunction, type StepPolicy } from '#agents';
import { InvalidOutputError } from '#tasks';
import { StepTimeoutError } from './handler-errors.js';
import { type RecordedCall } from './run-journal.js';
import { type RunTurn } from './run-turn.js';
import { type Strand } from './run-waits.js';
import { retryDelay } from './retry-delay.js';

/** Pauses up to this are waited for in the process: it costs less than to come back. */
const SHORT_PAUSE_MS = 5_000;

/** A failure of a step's function that is followed by another call, as it is recorded. */
interface StepFailure {
  /** The attempt of the run in which it failed. */
  readonly attempt: number;
  /** When the function is called again. */
  readonly due: string;
}

/** One step: calls its function until it has a result, which is recorded, or has failed too often. */
export class DurableStep<T> {
  constructor(
    private readonly turn: RunTurn,
    private readonly strand: Strand,
    private readonly call: RecordedCall,
    private readonly name: string,
    private readonly policy: StepPolicy,
  ) {}

  async result(run: StepFunction<T>): Promise<T> {
    const { turn } = this;
    const { recorded } = this.call;
    if (recorded) return parse(await turn.loader.result(turn.run.lease, recorded)) as T;
    this.turn.waits.beginStep();
    try {
      return await this.firstResult(run);
    } finally {
      this.turn.waits.endStep();
    }
  }

  private async firstResult(run: StepFunction<T>): Promise<T> {
    const retries = this.call.within();
    let failures = 0;
    let due: number | undefined;
    for (;;) {
      const retry = retries.next('retry', this.name);
      if (retry.recorded) {
        const failure = parse(retry.recorded.value) as StepFailure;
        due = Date.parse(failure.due);
        if (failure.attempt === this.attempt) failures++;
        continue;
      }
      if (due !== undefined) await this.pauseUntil(due);
      const outcome = await this.tryOnce(run);
      if (outcome.text !== undefined) return parse(outcome.text) as T;
      failures++;
      if (failures >= this.policy.retry.attempts || isFinal(outcome.error)) throw outcome.error;
      due = await this.recordFailure(retry, failures, outcome.error);
    }
  }

  /** The result as JSON, once it is recorded, or the error of the function. */
  private async tryOnce(run: StepFunction<T>): Promise<{ text: string | null } | { text?: undefined; error: unknown }> {
    const { turn } = this;
    await turn.writer.committed();
    let value: T;
    try {
      value = await this.inTime(run);
    } catch (error) {
      turn.assertGoing();
      return { error };
    }
    const text = stringify(this.name, value);
    turn.assertGoing();
    await turn.writer.recordResult(this.call.record(text));
    return { text };
  }

  private async inTime(run: StepFunction<T>): Promise<T> {
    const { signal } = this.turn.active;
    const { timeoutMs } = this.policy;
    if (timeoutMs === undefined) return this.turn.unwatched(() => run({ signal }));
    const timeout = new AbortController();
    let timer: NodeJS.Timeout | undefined;
    const tooLate = new Promise<never>((_, reject) => {
      timer = setTimeout(() => {
        const error = new StepTimeoutError(`step "${this.name}" took longer than ${timeoutMs} ms`);
        reject(error);
        timeout.abort(error);
      }, timeoutMs);
    });
    try {
      return await Promise.race([run({ signal: AbortSignal.any([signal, timeout.signal]) }), tooLate]);
    } finally {
      clearTimeout(timer);
    }
  }

  private async recordFailure(retry: RecordedCall, failures: number, error: unknown): Promise<number> {
    const { turn, name, attempt } = this;
    const pauseMs = retryDelay(this.policy.retry, failures);
    const due = (await turn.clock.now()) + pauseMs;
    await turn.writer.record(retry.record(JSON.stringify({ attempt, due: new Date(due) })));
    turn.log.warn({ err: error, step: name, failures, pauseMs }, 'step.failed');
    return due;
  }

  private async pauseUntil(due: number): Promise<void> {
    const { turn } = this;
    const ms = due - (await turn.clock.now());
    if (ms > SHORT_PAUSE_MS) await turn.waits.pauseStep(this.strand, due, ms);
    else if (ms > 0) await delay(ms, undefined, { signal: turn.active.signal }).catch(() => turn.assertGoing());
  }

  private get attempt(): number {
    return this.turn.run.attempt + 1;
  }
}

/** Errors that another call of the function would not mend. */
function isFinal(error: unknown): boolean {
  return isFail(error) || isReject(error) || error instanceof InvalidOutputError;
}

function stringify(name: string, value: unknown): string | null {
  if (value === undefined) return null;
  try {
    const text = JSON.stringify(value) as string | undefined;
    if (text === undefined) throw new TypeError(`a ${typeof value} is not JSON`);
    return text;
  } catch (error) {
    throw new InvalidOutputError(`the result of step "${name}" cannot be recorded: ${String(error)}`, { cause: error });
  }
}

function parse(value: string | null): unknown {
  return value === null ? undefined : JSON.parse(value);
}
