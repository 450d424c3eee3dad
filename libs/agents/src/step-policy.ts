import type { Agent } from './agent.js';
import type { StepOptions } from './agent-task.js';
import { FieldReader } from './field-reader.js';

/** A step's options with every default filled in. */
export interface StepPolicy {
  readonly retry: Agent['retry'];
  /** The longest that one call of the function may take, in milliseconds; undefined: no limit. */
  readonly timeoutMs?: number;
}

const OPTIONS: readonly (keyof StepOptions)[] = ['retry', 'timeout'];
const RETRY_OPTIONS: readonly (keyof NonNullable<StepOptions['retry']>)[] = ['attempts', 'initialDelay', 'maxDelay'];
const INITIAL_DELAY_MS = 1_000;
const MAX_DELAY_MS = 60_000;

/** What a step's options come to. `problems` has a sentence for each that is wrong; without any, the policy holds. */
export function stepPolicy(options: StepOptions): {
  readonly policy: StepPolicy;
  readonly problems: readonly string[];
} {
  const fields = new FieldReader(options, OPTIONS);
  const retry = fields.object('retry', RETRY_OPTIONS);
  const attempts = retry.integer('attempts', 1, 100) ?? (fields.has('retry') ? 3 : 1);
  const initial = retry.duration('initialDelay', 0);
  const maxDelayMs = retry.duration('maxDelay', 0) ?? Math.max(MAX_DELAY_MS, initial ?? 0);
  if (initial !== undefined && initial > maxDelayMs) {
    fields.problems.push('retry.initialDelay must not be longer than retry.maxDelay');
  }
  const initialDelayMs = initial ?? Math.min(INITIAL_DELAY_MS, maxDelayMs);
  const timeoutMs = fields.duration('timeout', 1);
  return { policy: { retry: { attempts, initialDelayMs, maxDelayMs }, timeoutMs }, problems: fields.problems };
}
