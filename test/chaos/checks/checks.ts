import { acceptance, idempotency } from './acceptance.js';
import { type ChaosHistory, type Check, type Violation } from './history.js';
import { leases } from './leases.js';
import { ends, outcomes } from './outcomes.js';
import { records } from './records.js';
import { recovery } from './recovery.js';
import { sequences } from './sequences.js';
import { webhooks } from './webhooks.js';

/** By what they look at. */
export const CHECKS: Readonly<Record<string, Check>> = {
  acceptance,
  idempotency,
  outcomes,
  ends,
  sequences,
  records,
  leases,
  recovery,
  webhooks,
};

/** Everything that must not be in the history. */
export function violationsOf(history: ChaosHistory): Violation[] {
  return Object.values(CHECKS).flatMap((check) => check(history));
}
