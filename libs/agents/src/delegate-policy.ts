import type { DelegateOptions } from './agent-task.js';
import { FieldReader } from './field-reader.js';

/** The options of a delegation, checked. */
export interface DelegatePolicy {
  readonly relay: boolean;
  /** The longest that it may take, in milliseconds; undefined: no limit of its own. */
  readonly timeoutMs?: number;
  readonly metadata: NonNullable<DelegateOptions['metadata']>;
}

const OPTIONS: readonly (keyof DelegateOptions)[] = ['relay', 'timeout', 'metadata'];
const TIMEOUT_DAYS = 3650;

/** What a delegation's options come to. `problems` has a sentence for each that is wrong; without any, the policy holds. */
export function delegatePolicy(options: DelegateOptions): {
  readonly policy: DelegatePolicy;
  readonly problems: readonly string[];
} {
  const fields = new FieldReader(options, OPTIONS);
  // Checked with the rest of the request; this refuses what is no object.
  fields.object('metadata', Object.keys(options.metadata ?? {}));
  const relay = fields.flag('relay') ?? false;
  const timeoutMs = fields.duration('timeout', 1, TIMEOUT_DAYS);
  return { policy: { relay, timeoutMs, metadata: options.metadata ?? {} }, problems: fields.problems };
}
