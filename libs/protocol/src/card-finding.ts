/** One thing that a check of a card found wrong, or doubtful. */
export interface CardFinding {
  /** `error`: the specification forbids it, or clients cannot use it. `warning`: it works, but not well or not for everyone. */
  readonly level: 'error' | 'warning';
  /** Path of the field in JSON names, such as `skills[0].id`; empty for the card as a whole. */
  readonly field: string;
  readonly message: string;
}

/** An `error` finding. */
export function cardError(field: string, message: string): CardFinding {
  return { level: 'error', field, message };
}

/** A `warning` finding. */
export function cardWarning(field: string, message: string): CardFinding {
  return { level: 'warning', field, message };
}
