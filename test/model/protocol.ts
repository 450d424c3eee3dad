import { type Action } from './action.js';
import { CALL_ACTIONS } from './calls.js';
import { RULES, type Rules } from './rules.js';
import { RUN_ACTIONS } from './runs.js';
import { copyOf, initialState, type Setting, type State } from './state.js';
import { WORLD_ACTIONS } from './world.js';

/** All that can happen, by name. */
export const ACTIONS: Readonly<Record<string, Action>> = { ...CALL_ACTIONS, ...RUN_ACTIONS, ...WORLD_ACTIONS };

/** A state that another leads to. */
export interface Step {
  readonly action: string;
  readonly label: string;
  /** Whether the system takes the step by itself, sooner or later. */
  readonly certain: boolean;
  readonly to: State;
}

/** The protocol in one constellation. */
export class Protocol {
  constructor(
    readonly setting: Setting,
    readonly rules: Rules = RULES,
  ) {}

  get initial(): State {
    return initialState(this.setting);
  }

  *steps(from: State): Generator<Step> {
    for (const [action, { by, moves }] of Object.entries(ACTIONS)) {
      for (const { label, apply } of moves(from, this.setting, this.rules)) {
        const to = copyOf(from);
        apply(to);
        yield { action, label, certain: by === 'system', to };
      }
    }
  }
}
