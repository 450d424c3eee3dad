import { parseArgs } from 'node:util';
import { FAULT_KINDS, type FaultKind, kindsOf, type Mode } from './fault-schedule.js';

/** What a run of the suite is told. */
export interface ChaosOptions {
  readonly mode: Mode;
  readonly seed: number;
  readonly durationMs: number;
  readonly everyMs: number;
  readonly kinds: readonly FaultKind[];
  readonly clients: number;
  /** Faults end, and clients stop, when so many messages have made a task; else when the time is over. */
  readonly tasks?: number;
  /** Of a hundred tasks, how many have webhooks. */
  readonly webhookShare: number;
  /** Whether the figures go into bench/CHAOS.md. */
  readonly write: boolean;
  /** Whether the evidence is kept also where nothing is wrong. */
  readonly keep: boolean;
}

/** What `--tasks` is given at most. */
const LONGEST_MS = 3_600_000;
const WEBHOOK_SHARE = 50;

export const USAGE = `npm run chaos [-- options]
  --mode postgres|redis  where queue and signals are (postgres)
  --minutes N            how long faults happen under load (1); a fraction will do
  --tasks N              until so many tasks were made, in place of a time
  --webhooks             every task has webhooks, and not half of them
  --seed S               replays that schedule (a random one)
  --faults a,b           only these: ${FAULT_KINDS.join(', ')}
  --every DURATION       one fault in each period of that length (4s)
  --clients N            how many tasks are under way at a time (24)
  --write                writes the figures into bench/CHAOS.md
  --keep                 keeps the evidence although nothing is wrong`;

/** Thrown for arguments that cannot be used. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

/** Reads the arguments. Throws a {@link UsageError} that names the wrong one. */
export function chaosOptions(args: readonly string[], randomSeed: number): ChaosOptions {
  const text = { type: 'string' } as const;
  const flag = { type: 'boolean' } as const;
  const { values } = parsed(() =>
    parseArgs({
      args: [...args],
      options: {
        ...{ mode: text, minutes: text, seed: text, faults: text, every: text, clients: text, tasks: text },
        ...{ webhooks: flag, write: flag, keep: flag },
      },
    }),
  );
  const mode = values.mode ?? 'postgres';
  if (mode !== 'postgres' && mode !== 'redis') throw new UsageError(`--mode ${mode}: want postgres or redis`);
  return {
    mode,
    seed: numberOf('seed', values.seed, randomSeed, /^\d{1,10}$/),
    durationMs: values.tasks ? LONGEST_MS : 60_000 * numberOf('minutes', values.minutes, 1, /^\d+(\.\d+)?$/),
    everyMs: 1_000 * numberOf('every', values.every?.replace(/s$/, ''), 4, /^\d+(\.\d+)?$/),
    kinds: kindsIn(values.faults, mode),
    clients: numberOf('clients', values.clients, 24, /^[1-9]\d{0,3}$/),
    tasks: values.tasks === undefined ? undefined : numberOf('tasks', values.tasks, 0, /^[1-9]\d{0,6}$/),
    webhookShare: values.webhooks ? 100 : WEBHOOK_SHARE,
    write: values.write ?? false,
    keep: values.keep ?? false,
  };
}

function numberOf(name: string, text: string | undefined, otherwise: number, form: RegExp): number {
  if (text === undefined) return otherwise;
  if (!form.test(text) || (name !== 'seed' && Number(text) === 0))
    throw new UsageError(`--${name} ${text}: want a number`);
  return Number(text);
}

function kindsIn(text: string | undefined, mode: Mode): FaultKind[] {
  const known = kindsOf(mode);
  if (text === undefined) return known;
  return text.split(',').map((name) => {
    const kind = known.find((each) => each === name);
    if (!kind) throw new UsageError(`--faults ${name}: the mode ${mode} has ${known.join(', ')}`);
    return kind;
  });
}

function parsed<T>(parse: () => T): T {
  try {
    return parse();
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error));
  }
}
