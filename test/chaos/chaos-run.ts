import { mkdtempSync, readdirSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { Random } from '../support/random.js';
import { Caller } from './caller.js';
import { ChaosCluster } from './chaos-cluster.js';
import { type ChaosOptions } from './chaos-options.js';
import { type ChaosHistory, type HandlerNote } from './checks/history.js';
import { ClientRecorder } from './client-recorder.js';
import { openWork, readHistory } from './database-witness.js';
import { FaultInjector } from './fault-injector.js';
import { type Fault, faultSchedule } from './fault-schedule.js';
import { HostileReceiver } from './hostile-receiver.js';
import { drawPlan } from './plan.js';
import { type ProcessChange } from './chaos-process.js';
import { type Disturbance, standstills } from './standstills.js';
import { Traveller } from './traveller.js';
import { type Webhooks } from './webhook-owner.js';
import { drawWebhooks } from './webhook-plan.js';
import { WebhookRecorder } from './webhook-recorder.js';

/** How long all may take to end when the faults are over. */
const SETTLE_MS = 90_000;
const SETTLE_POLL_MS = 200;
const PROGRESS_MS = 5_000;
const THINK_MS = 300;
/** Faults begin when there is something to break. */
const HEAD_START_MS = 1_500;

/** What a run has come to. */
export interface ChaosResult {
  readonly history: ChaosHistory;
  readonly faults: readonly Fault[];
  /** Calls that were told to try again, and calls whose line broke or that took too long. */
  readonly repeated: { readonly refused: number; readonly broken: number };
  /** From the end of the faults to the end of the last task. */
  readonly settledMs: number;
  /** With the logs of the processes and the lines of their handlers. */
  readonly folder: string;
}

/** Starts a cluster, breaks it by the schedule of the seed under load, lets it come to rest, and reads what came of it. */
export async function runChaos(options: ChaosOptions, say: (line: string) => void, report: (fault: Fault) => void) {
  const folder = mkdtempSync(join(tmpdir(), 'perdure-chaos-'));
  const recorder = new WebhookRecorder();
  const receiver = await HostileReceiver.start(recorder, new Random(options.seed));
  const cluster = await ChaosCluster.start(options.mode, folder);
  try {
    return await new ChaosRun(cluster, { recorder, receiver }, options, say).run(report);
  } finally {
    await cluster.stop();
    await receiver.close();
  }
}

class ChaosRun {
  private readonly recorder = new ClientRecorder();
  private readonly over = new AbortController();
  private readonly enough = new AbortController();
  private begun = 0;

  constructor(
    private readonly cluster: ChaosCluster,
    private readonly webhooks: Webhooks,
    private readonly options: ChaosOptions,
    private readonly say: (line: string) => void,
  ) {}

  async run(report: (fault: Fault) => void): Promise<ChaosResult> {
    const caller = new Caller(this.cluster.servers, this.recorder, this.over.signal);
    const clients = Array.from({ length: this.options.clients }, (_, index) => this.client(index, caller));
    await delay(HEAD_START_MS);
    const injector = new FaultInjector(this.cluster, this.webhooks.receiver, report);
    const progress = setInterval(() => this.tellProgress(), PROGRESS_MS);
    await injector.follow(faultSchedule(this.options), this.options.durationMs, this.enough.signal);
    this.enough.abort();
    const settledMs = await this.settle(Promise.all(clients));
    clearInterval(progress);
    caller.close();
    const { recorder: client, cluster } = this;
    const workers = cluster.each(({ process }) => process.name).filter((name) => name.startsWith('worker'));
    const disturbances = [
      ...injector.disturbances,
      ...cluster.each(({ process }) => outagesOf(process.changes)).flat(),
    ];
    const history: ChaosHistory = {
      client,
      handler: handlerNotes(join(cluster.folder, 'handler')),
      database: await readHistory(cluster.postgres),
      kills: injector.kills,
      standstills: standstills(disturbances, workers),
      webhooks: this.webhooks.recorder,
    };
    return { history, faults: injector.done, repeated: client.repeated, settledMs, folder: cluster.folder };
  }

  private tellProgress(): void {
    const { sends, ended, refusals, repeated } = this.recorder;
    const { hooks, arrivals } = this.webhooks.recorder;
    const accepted = sends.filter(({ to, tasks }) => to === undefined && tasks.length > 0).length;
    const said = `accepted ${accepted}, ended ${ended}, told to try again ${repeated.refused}, refused ${refusals.length}`;
    this.say(`${said}; webhooks ${hooks.length}, requests to them ${arrivals.length}`);
  }

  /** A client that sends one message after the other. */
  private async client(index: number, caller: Caller): Promise<void> {
    const random = new Random(this.options.seed * 1_000 + index);
    const surroundings = { caller, recorder: this.recorder, webhooks: this.webhooks };
    while (!this.enough.signal.aborted) {
      if (++this.begun === this.options.tasks) this.enough.abort();
      const webhooks = drawWebhooks(random, this.options.webhookShare);
      await new Traveller(drawPlan(random), webhooks, surroundings, random).travel();
      await delay(random.below(THINK_MS));
    }
  }

  /** Waits until the clients are done, every task has ended and every webhook has been told; in the end, no longer. */
  private async settle(clients: Promise<unknown>): Promise<number> {
    const begun = performance.now();
    const patience = setTimeout(() => this.over.abort(), SETTLE_MS);
    await clients;
    while (!this.over.signal.aborted && (await this.isOpen())) await delay(SETTLE_POLL_MS);
    clearTimeout(patience);
    this.over.abort();
    const settledMs = performance.now() - begun;
    this.say(`at rest ${(settledMs / 1_000).toFixed(1)} s after the last fault`);
    return settledMs;
  }

  private async isOpen(): Promise<boolean> {
    return (await openWork(this.cluster.postgres)) > 0;
  }
}

/** From the end of a process to the start of the next. */
function outagesOf(changes: readonly ProcessChange[]): Disturbance[] {
  return changes.flatMap(({ name, at, isUp }, index) =>
    isUp ? [] : [{ on: name, from: at, to: changes[index + 1]?.at ?? Infinity }],
  );
}

/** The lines of all processes' handlers, by time. The last line of a killed process may lack its end. */
function handlerNotes(folder: string): HandlerNote[] {
  const lines = readdirSync(folder).flatMap((file) => readFileSync(join(folder, file), 'utf8').split('\n'));
  const notes = lines.filter((line) => line.endsWith('}')).map((line) => JSON.parse(line) as HandlerNote);
  return notes.sort((a, b) => a.atMs - b.atMs);
}
