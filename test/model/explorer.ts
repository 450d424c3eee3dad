import { isSettled, type Law, LAWS, SETTLES } from './laws.js';
import { type Protocol } from './protocol.js';
import { keyOf, type State } from './state.js';

/** A law that does not hold, with the shortest way to where it does not. */
export interface CounterExample {
  readonly law: string;
  readonly trace: readonly string[];
}

/** What an exploration has seen: all of it, or what it took to find a counter-example. */
export interface Exploration {
  readonly states: number;
  readonly steps: number;
  /** Steps of the longest of the shortest ways to a state. */
  readonly depth: number;
  /** Names of the actions taken. */
  readonly actions: ReadonlySet<string>;
  readonly counterExample?: CounterExample;
}

/** Visits every state that the protocol can be in, nearest first, and asks the laws of each. */
export function explore(protocol: Protocol, limit = 2_000_000): Exploration {
  return new Explorer(protocol, limit).explore();
}

class Explorer {
  /** Those that are still to be left; a state's number is its place. */
  private readonly states: (State | undefined)[] = [];
  private readonly numbers = new Map<string, number>();
  /** By state: the one it was first reached from, and the step. */
  private readonly reachedFrom: number[] = [];
  private readonly reachedBy: string[] = [];
  private readonly depths: number[] = [];
  /** Steps that the system takes by itself, as pairs from, to. */
  private readonly certain: number[] = [];
  private readonly settled: number[] = [];
  private readonly actions = new Set<string>();
  private steps = 0;
  private broken: CounterExample | undefined;

  constructor(
    private readonly protocol: Protocol,
    private readonly limit: number,
  ) {}

  explore(): Exploration {
    this.reach(this.protocol.initial, -1, '');
    for (let at = 0; at < this.states.length && !this.broken; at++) this.leave(at);
    return this.result(this.broken ?? this.unsettled());
  }

  private leave(at: number): void {
    for (const { action, label, certain, to } of this.protocol.steps(this.states[at]!)) {
      this.steps++;
      this.actions.add(action);
      const number = this.reach(to, at, `${action} (${label})`);
      if (certain) this.certain.push(at, number);
      if (this.broken) return;
    }
    this.states[at] = undefined;
  }

  private reach(state: State, from: number, by: string): number {
    const key = keyOf(state);
    const known = this.numbers.get(key);
    if (known !== undefined) return known;
    const at = this.states.push(state) - 1;
    if (at >= this.limit) throw new Error(`more than ${this.limit} states`);
    this.numbers.set(key, at);
    this.reachedFrom.push(from);
    this.reachedBy.push(by);
    this.depths.push(from < 0 ? 0 : this.depths[from]! + 1);
    if (isSettled(state)) this.settled.push(at);
    const law = brokenLaw(state);
    if (law) this.broken = { law: law.name, trace: this.traceTo(at) };
    return at;
  }

  /** The nearest state from which the system alone does not get to where every task has settled. */
  private unsettled(): CounterExample | undefined {
    const reaches = new Uint8Array(this.states.length);
    const before = predecessors(this.certain, this.states.length);
    const open = [...this.settled];
    for (const at of open) reaches[at] = 1;
    for (let at = open.pop(); at !== undefined; at = open.pop()) {
      for (const from of before(at)) {
        if (reaches[from]) continue;
        reaches[from] = 1;
        open.push(from);
      }
    }
    const stuck = reaches.indexOf(0);
    return stuck < 0 ? undefined : { law: SETTLES, trace: this.traceTo(stuck) };
  }

  private traceTo(state: number): string[] {
    const trace: string[] = [];
    for (let at = state; at > 0; at = this.reachedFrom[at]!) trace.unshift(this.reachedBy[at]!);
    return trace;
  }

  private result(counterExample?: CounterExample): Exploration {
    const { steps, actions } = this;
    return { states: this.states.length, steps, depth: this.depths.at(-1)!, actions, counterExample };
  }
}

function brokenLaw(state: State): Law | undefined {
  return LAWS.find((law) => !law.holds(state));
}

/** Who leads to each state, from a flat list of pairs: counted first, then laid out one behind the other. */
function predecessors(pairs: readonly number[], states: number): (state: number) => Uint32Array {
  const ends = new Uint32Array(states + 1);
  for (let i = 1; i < pairs.length; i += 2) ends[pairs[i]! + 1]!++;
  for (let state = 1; state <= states; state++) ends[state]! += ends[state - 1]!;
  const next = ends.slice();
  const from = new Uint32Array(pairs.length / 2);
  for (let i = 0; i < pairs.length; i += 2) from[next[pairs[i + 1]!]!++] = pairs[i]!;
  return (state) => from.subarray(ends[state], ends[state + 1]);
}
