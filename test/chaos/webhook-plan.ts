import { type Random } from '../support/random.js';

/** What a client does about one webhook. */
export interface WebhookPlan {
  /** It comes with the message that makes the task; else it is made so many milliseconds after the acceptance. */
  readonly afterMs: number | 'inline';
  /** The client deletes it so many milliseconds after that. */
  readonly dropAfterMs?: number;
}

const MOST_LATER = 2;
const AFTER_MS = 1_200;
const DROP_AFTER_MS = 3_000;

/** The webhooks of a task, from the generator: of `share` of a hundred tasks. */
export function drawWebhooks(random: Random, share: number): WebhookPlan[] {
  if (random.below(100) >= share) return [];
  const isInline = random.below(3) > 0;
  const later = random.below(MOST_LATER) + (isInline ? 0 : 1);
  const plans: WebhookPlan['afterMs'][] = isInline ? ['inline'] : [];
  for (let i = 0; i < later; i++) plans.push(random.below(AFTER_MS));
  return plans.map((afterMs) => ({
    afterMs,
    dropAfterMs: random.below(4) === 0 ? random.below(DROP_AFTER_MS) : undefined,
  }));
}
