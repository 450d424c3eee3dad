import { setTimeout as delay } from 'node:timers/promises';
import { type ChaosCluster, type Member } from './chaos-cluster.js';
import { type Fault, type FaultKind } from './fault-schedule.js';
import { type Kill } from './checks/history.js';
import { type HostileReceiver } from './hostile-receiver.js';
import { type Disturbance } from './standstills.js';

const LOST_ANSWERS_ONE_IN = 12;
const STORM_PAUSE_MS = 100;
const STORM_PROBABILITY = 0.2;
/** How long a process may take to notice that a line has died (docs/adr/0022). */
const SILENCE_NOTICED_MS = 15_000;

/** Lets the faults of a schedule happen to a cluster, and writes down what it did. */
export class FaultInjector {
  readonly kills: Kill[] = [];
  readonly disturbances: Disturbance[] = [];
  readonly done: Fault[] = [];
  private redisOutages = 0;
  private readonly healing = new AbortController();

  constructor(
    private readonly cluster: ChaosCluster,
    private readonly receiver: HostileReceiver,
    private readonly say: (fault: Fault) => void,
  ) {}

  /** Resolves when all has happened and is over, or as soon as it is enough; what lasts longer than that is ended then. */
  async follow(schedule: readonly Fault[], durationMs: number, enough: AbortSignal): Promise<void> {
    const begun = performance.now();
    const under: Promise<void>[] = [];
    const until = (ms: number) =>
      delay(Math.max(0, begun + ms - performance.now()), undefined, { signal: enough }).catch(() => undefined);
    for (const fault of schedule) {
      await until(fault.at);
      if (enough.aborted) break;
      this.say(fault);
      this.done.push(fault);
      under.push(this.inject(fault));
    }
    await until(durationMs);
    this.healing.abort();
    await Promise.all(under);
  }

  private async inject(fault: Fault): Promise<void> {
    const from = Date.now();
    const until = await this.kinds[fault.kind](fault, () => this.lasts(fault.forMs));
    if (!/^(redis|receiver)/.test(fault.kind))
      this.disturbances.push({ on: fault.target ?? 'all', from, to: Math.max(Date.now(), from + (until ?? 0)) });
  }

  /** Until its time is over, or all faults are. */
  private async lasts(ms: number): Promise<void> {
    await delay(ms, undefined, { signal: this.healing.signal }).catch(() => undefined);
  }

  /** What each kind does; it may say how long it disturbs at least, in milliseconds. */
  private readonly kinds: Record<FaultKind, (fault: Fault, lasts: () => Promise<void>) => Promise<number | void>> = {
    kill: async ({ target, forMs }) => {
      const { process } = this.memberOf(target);
      const up = process.changes.at(-1);
      if (!up?.isUp) return;
      process.kill(forMs);
      this.kills.push({ at: Date.now(), pid: up.pid, process: process.name });
    },
    pause: async ({ target }, lasts) => {
      const { process } = this.memberOf(target);
      process.signal('SIGSTOP');
      await lasts();
      process.signal('SIGCONT');
    },
    'postgres-fast': (_, lasts) => this.restartPostgres('fast', lasts),
    'postgres-immediate': (_, lasts) => this.restartPostgres('immediate', lasts),
    terminate: async (_, lasts) => {
      let isOver = false;
      const end = lasts().then(() => (isOver = true));
      while (!isOver) {
        // While Postgres is away there is nothing to end.
        await this.cluster.postgres.terminate(STORM_PROBABILITY).catch(() => undefined);
        await Promise.race([end, delay(STORM_PAUSE_MS)]);
      }
    },
    'lost-answers': async ({ target, at }, lasts) => {
      const { database } = this.memberOf(target);
      database.loseAnswers(LOST_ANSWERS_ONE_IN, at);
      await lasts();
      database.loseAnswers(0);
    },
    silence: async ({ target }) => {
      this.memberOf(target).database.silence();
      return SILENCE_NOTICED_MS;
    },
    partition: async ({ target }, lasts) => {
      const { database } = this.memberOf(target);
      database.refuse(true);
      await lasts();
      database.refuse(false);
    },
    clock: async ({ target, shiftMs }, lasts) => {
      const { process } = this.memberOf(target);
      process.setClock(shiftMs!);
      await lasts();
      process.setClock(0);
    },
    'receiver-down': async (_, lasts) => {
      await this.receiver.setDown(true);
      await lasts();
      await this.receiver.setDown(false);
    },
    'receiver-hostile': async (_, lasts) => {
      this.receiver.setHostile(true);
      await lasts();
      this.receiver.setHostile(false);
    },
    'redis-flush': async () => this.redis.flush().catch(() => undefined),
    'redis-kill': (_, lasts) => this.restartRedis(lasts),
    'redis-outage': (_, lasts) => this.restartRedis(lasts),
    'redis-silence': async ({ target }) => this.memberOf(target).redis!.silence(),
  };

  /** Nobody gets to Postgres until it is back, or for as long as the fault lasts. */
  private async restartPostgres(how: 'fast' | 'immediate', lasts: () => Promise<void>): Promise<void> {
    const { cluster } = this;
    const away = lasts();
    await cluster.postgres.restart(how);
    cluster.each(({ database }) => database.refuse(true));
    await away;
    cluster.each(({ database }) => database.refuse(false));
  }

  /** Two of these may overlap: it is back when the last one is over. */
  private async restartRedis(lasts: () => Promise<void>): Promise<void> {
    this.redisOutages++;
    await this.redis.kill();
    await lasts();
    if (--this.redisOutages === 0) await this.redis.restart();
  }

  private get redis() {
    return this.cluster.redis!;
  }

  private memberOf(target: Fault['target']): Member {
    return this.cluster.members.get(target!)!;
  }
}
