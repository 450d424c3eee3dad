import { type Rules } from './rules.js';
import { type Setting, type State, type Worker } from './state.js';

/** One way on from a state. */
export interface Move {
  readonly label: string;
  /** Changes a copy of the state that offered it. */
  readonly apply: (state: State) => void;
}

/** A kind of step of the protocol. */
export interface Action {
  /** The code it stands for: `file#symbol`. */
  readonly code: string;
  /** Who takes it. What the system can do, it does sooner or later; the others may never. */
  readonly by: 'system' | 'client' | 'world';
  readonly moves: (state: State, setting: Setting, rules: Rules) => Move[];
}

export const move = (label: string, apply: Move['apply']): Move => ({ label, apply });

export function each<T>(items: readonly T[], moves: (item: T, index: number) => Move[]): Move[] {
  return items.flatMap((item, index) => moves(item, index));
}

/** RunSlots#free. */
export function freeSlots({ runs, calls }: Worker, { slots }: Setting): number {
  return slots - runs.length - calls.filter(({ slot }) => slot).length;
}
