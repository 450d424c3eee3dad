import { Random } from '../support/random.js';

/** Where the queue and the signals are: in Postgres, or in Redis. */
export type Mode = 'postgres' | 'redis';

/** The processes under test, by name. */
export const PROCESSES = ['server-1', 'server-2', 'worker-1', 'worker-2'] as const;

export type ProcessName = (typeof PROCESSES)[number];

/** Something that goes wrong, at so many milliseconds from the beginning. */
export interface Fault {
  readonly at: number;
  readonly kind: FaultKind;
  /** The process that it happens to; undefined where it happens to all of them. */
  readonly target?: ProcessName;
  /** How long it lasts; of a kill, until the process is started again. */
  readonly forMs: number;
  /** Of `clock`: how far it is off. */
  readonly shiftMs?: number;
}

/** What a schedule is drawn from. */
export interface ScheduleOptions {
  readonly seed: number;
  readonly durationMs: number;
  /** One fault in each period of that length. */
  readonly everyMs: number;
  readonly mode: Mode;
  /** Only these kinds; without it, all that the mode has. */
  readonly kinds?: readonly FaultKind[];
}

interface Draw {
  /** How often it comes, against the others. */
  readonly weight: number;
  readonly isOfRedis?: true;
  readonly hits: 'one process' | 'all';
  readonly forMs: readonly [least: number, most: number];
}

/** Every kind of fault. */
const DRAWS = {
  /** SIGKILL, and a new process after a while. */
  kill: { weight: 6, hits: 'one process', forMs: [200, 4_000] },
  /** SIGSTOP and SIGCONT: for less than a lease, or for more than two. */
  pause: { weight: 4, hits: 'one process', forMs: [500, 12_000] },
  'postgres-fast': { weight: 1, hits: 'all', forMs: [0, 3_000] },
  'postgres-immediate': { weight: 1, hits: 'all', forMs: [0, 3_000] },
  /** pg_terminate_backend, again and again, on a fifth of all backends. */
  terminate: { weight: 2, hits: 'all', forMs: [500, 4_000] },
  /** Connections are cut after Postgres has committed and before its answer is passed on. */
  'lost-answers': { weight: 3, hits: 'one process', forMs: [1_000, 6_000] },
  /** The open connections to Postgres say nothing any more, and are never closed. */
  silence: { weight: 1, hits: 'one process', forMs: [0, 0] },
  /** The process does not get to Postgres. */
  partition: { weight: 1, hits: 'one process', forMs: [500, 9_000] },
  /** The clock of the process is off, by minutes. */
  clock: { weight: 1, hits: 'one process', forMs: [5_000, 20_000] },
  /** Nobody gets to the receiver of the webhooks. */
  'receiver-down': { weight: 1, hits: 'all', forMs: [500, 8_000] },
  /** It takes everything, and hardly ever says so. */
  'receiver-hostile': { weight: 1, hits: 'all', forMs: [2_000, 10_000] },
  'redis-flush': { weight: 2, isOfRedis: true, hits: 'all', forMs: [0, 0] },
  'redis-kill': { weight: 2, isOfRedis: true, hits: 'all', forMs: [200, 5_000] },
  'redis-outage': { weight: 1, isOfRedis: true, hits: 'all', forMs: [30_000, 60_000] },
  'redis-silence': { weight: 1, isOfRedis: true, hits: 'one process', forMs: [0, 0] },
} as const satisfies Record<string, Draw>;

export type FaultKind = keyof typeof DRAWS;

export const FAULT_KINDS = Object.keys(DRAWS) as readonly FaultKind[];

/** No fault lasts longer than this share of the whole, so that a short run sees its end too. */
const LONGEST_SHARE = 0.25;
const SHIFT_MS = [60_000, 600_000] as const;

/** The kinds that a mode has. */
export function kindsOf(mode: Mode): FaultKind[] {
  return FAULT_KINDS.filter((kind) => mode === 'redis' || !('isOfRedis' in DRAWS[kind]));
}

/** What goes wrong when: the same for the same options, and nothing else. */
export function faultSchedule({ seed, durationMs, everyMs, mode, kinds = kindsOf(mode) }: ScheduleOptions): Fault[] {
  const random = new Random(seed);
  const faults: Fault[] = [];
  for (let period = 0; period + everyMs <= durationMs; period += everyMs) {
    const kind = drawn(random, kinds);
    const draw: Draw = DRAWS[kind];
    faults.push({
      kind,
      at: period + random.below(everyMs),
      target: draw.hits === 'all' ? undefined : PROCESSES[random.below(PROCESSES.length)],
      forMs: Math.min(between(random, draw.forMs), Math.floor(durationMs * LONGEST_SHARE)),
      shiftMs: kind === 'clock' ? (random.below(2) === 0 ? 1 : -1) * between(random, SHIFT_MS) : undefined,
    });
  }
  return faults;
}

/** A fault in a line: when, what, to whom, for how long. */
export function faultText({ at, kind, target, forMs, shiftMs }: Fault): string {
  const words = [`${(at / 1000).toFixed(1).padStart(6)} s`, kind, target, forMs > 0 && `for ${forMs} ms`];
  return [...words, shiftMs !== undefined && `by ${shiftMs} ms`].filter(Boolean).join(' ');
}

function drawn(random: Random, kinds: readonly FaultKind[]): FaultKind {
  const total = kinds.reduce((sum, kind) => sum + DRAWS[kind].weight, 0);
  let left = random.below(total);
  return kinds.find((kind) => (left -= DRAWS[kind].weight) < 0)!;
}

function between(random: Random, [least, most]: readonly [number, number]): number {
  return least + random.below(most - least + 1);
}
