import { type JsonObject } from '@bufbuild/protobuf';
import { type Random } from '../support/random.js';

/** One thing that the courier does (test/chaos/agents/performance.mjs). */
export type Act =
  | { readonly do: 'step'; readonly name: string; readonly ms: number }
  | { readonly do: 'tumble'; readonly name: string }
  | { readonly do: 'chunk'; readonly text: string; readonly ms: number }
  | { readonly do: 'ask'; readonly text: string }
  | { readonly do: 'sleep'; readonly ms: number }
  | { readonly do: 'wait'; readonly name: string }
  | { readonly do: 'delegate'; readonly acts: readonly Act[] }
  | { readonly do: 'branches'; readonly branches: readonly (readonly Act[])[] }
  | { readonly do: 'stumble'; readonly attempts: number }
  | { readonly do: 'fail'; readonly text: string };

/** What a client wants of one message, and what it does beside. */
export interface Plan {
  readonly journey: string;
  /** Another one than the courier. */
  readonly agent?: 'errand';
  readonly acts: readonly Act[];
  /** The name of the artifact. */
  readonly log: string;
  /** Starts so much later. */
  readonly startInMs?: number;
  /** The client cancels so many milliseconds after the acceptance. */
  readonly cancelAfterMs?: number;
  /** A second message, sent while the first is worked on. */
  readonly followUp?: Plan;
}

/** How a plan ends. */
export interface End {
  readonly state: 'TASK_STATE_COMPLETED' | 'TASK_STATE_FAILED' | 'TASK_STATE_CANCELED';
  readonly words?: string;
  /** By name; undefined where it is up to the moment of a cancel. */
  readonly artifacts?: Readonly<Record<string, string>>;
}

/** What a client answers to every question, and sends as every signal. */
export const ANSWER = 'as you say';

/** The journeys by how often they come. */
const JOURNEYS: readonly (readonly [
  weight: number,
  journey: string,
  acts: (random: Random) => Omit<Plan, 'journey' | 'log'>,
])[] = [
  [5, 'steps', (random) => ({ acts: steps(random, 2 + random.below(5)) })],
  [3, 'long', (random) => ({ acts: steps(random, 8, 600) })],
  [3, 'chunks', (random) => ({ acts: chunks(random, 10 + random.below(30)) })],
  [2, 'errand', (random) => ({ agent: 'errand', acts: steps(random, 3) })],
  [
    3,
    'question',
    (random) => ({ acts: [...steps(random, 1), { do: 'ask', text: 'Which one?' }, step('afterwards', 30)] }),
  ],
  [
    3,
    'sleep',
    (random) => ({ acts: [...steps(random, 1), { do: 'sleep', ms: 200 + random.below(2_000) }, step('awake', 30)] }),
  ],
  [2, 'retry', () => ({ acts: [step('before', 20), { do: 'stumble', attempts: 2 }, step('afterwards', 20)] })],
  [1, 'step retry', () => ({ acts: [{ do: 'tumble', name: 'tumble' }, step('afterwards', 20)] })],
  [
    3,
    'delegation',
    (random) => ({ acts: [step('before', 20), { do: 'delegate', acts: steps(random, 2) }, step('afterwards', 20)] }),
  ],
  [3, 'signal', (random) => ({ acts: [...steps(random, 1), { do: 'wait', name: 'go' }, step('afterwards', 20)] })],
  [
    2,
    'cancel',
    (random) => ({ acts: [...steps(random, 2), { do: 'wait', name: 'never' }], cancelAfterMs: random.below(1_500) }),
  ],
  [2, 'schedule', (random) => ({ acts: steps(random, 2), startInMs: 300 + random.below(2_500) })],
  [
    2,
    'branches',
    (random) => ({ acts: [{ do: 'branches', branches: ['left', 'right'].map((side) => branch(random, side)) }] }),
  ],
  [1, 'failure', () => ({ acts: [step('before', 20), { do: 'fail', text: 'No such place' }] })],
  [2, 'follow-up', (random) => ({ acts: steps(random, 3, 300), followUp: followUp() })],
];

/** A plan from the generator. */
export function drawPlan(random: Random): Plan {
  const total = JOURNEYS.reduce((sum, [weight]) => sum + weight, 0);
  let left = random.below(total);
  const [, journey, made] = JOURNEYS.find(([weight]) => (left -= weight) < 0)!;
  return { journey, log: 'log', ...made(random) };
}

/** What comes of a plan, whatever goes wrong meanwhile. With a follow-up: whether that was taken. */
export function endOf(plan: Plan, isFollowed: boolean): End {
  if (plan.cancelAfterMs !== undefined) return { state: 'TASK_STATE_CANCELED' };
  const failure = plan.acts.find((act) => act.do === 'fail');
  if (failure) return { state: 'TASK_STATE_FAILED', words: failure.text, artifacts: logOf(plan) };
  const followed = isFollowed && plan.followUp ? logOf(plan.followUp) : {};
  return { state: 'TASK_STATE_COMPLETED', words: 'done', artifacts: { ...logOf(plan), ...followed } };
}

/** The steps that a plan takes, those of its branches too. */
export function stepsOf({ acts }: Pick<Plan, 'acts'>): string[] {
  return acts.flatMap((act) => {
    if (act.do === 'step' || act.do === 'tumble') return [act.name];
    return act.do === 'branches' ? act.branches.flatMap((each) => stepsOf({ acts: each })) : [];
  });
}

/** The message's content. */
export function messageData({ acts, log }: Plan): JsonObject {
  return { acts: acts as unknown as JsonObject[], log };
}

function logOf({ acts, log }: Plan): Record<string, string> {
  const text = acts.map((act) => said(act)).join('');
  return text === '' ? {} : { [log]: text };
}

/** What an act adds to the log. */
function said(act: Act): string {
  if (act.do === 'chunk') return `${act.text};`;
  if (act.do === 'ask' || act.do === 'wait') return `${ANSWER};`;
  return act.do === 'delegate' ? 'done;' : '';
}

function step(name: string, ms: number): Act {
  return { do: 'step', name, ms };
}

function steps(random: Random, count: number, most = 120): Act[] {
  return Array.from({ length: count }, (_, index): Act[] => [
    step(`step ${index + 1}`, random.below(most)),
    { do: 'chunk', text: String(index + 1), ms: 0 },
  ]).flat();
}

function chunks(random: Random, count: number): Act[] {
  return Array.from({ length: count }, (_, index): Act => ({
    do: 'chunk',
    text: String(index),
    ms: random.below(100),
  }));
}

function branch(random: Random, side: string): Act[] {
  return [
    step(`${side} 1`, random.below(100)),
    { do: 'sleep', ms: random.below(500) },
    step(`${side} 2`, random.below(100)),
  ];
}

function followUp(): Plan {
  return { journey: 'followed', log: 'log-2', acts: [step('again', 20), { do: 'chunk', text: 'again', ms: 0 }] };
}
