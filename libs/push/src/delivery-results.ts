import { type Logger } from '#platform';
import { DeliveryCode, type PushDelivery, type PushLaneKey, type PushResult, type PushWork } from '#store';
import { type AttemptOutcome } from './attempts.js';
import { type EndpointReports } from './endpoint-reports.js';
import { type RetrySchedule } from './retry-schedule.js';

/** What fails on our side is tried again so soon. */
const OURS_MS = 5_000;

/** Decides what becomes of a delivery after an attempt, and what that says of its config and its endpoint. */
export class DeliveryResults {
  constructor(
    private readonly parts: {
      readonly schedule: RetrySchedule;
      readonly reports: EndpointReports;
      /** Disables the config with this URL; false where it is disabled already. */
      readonly disable: (lane: PushLaneKey, url: string, reason: string) => Promise<boolean>;
      readonly logger: Logger;
    },
  ) {}

  /** `retryMs` says that it is tried again; without an outcome there is nothing to send any more. */
  async of(work: PushWork, delivery: PushDelivery, outcome: AttemptOutcome | undefined): Promise<PushResult> {
    const { sequence, failures } = delivery;
    if (!outcome) return this.givenUp(work, delivery, { error: 'event_gone' });
    const { attempt, isDelivered, isGone, isOurs } = outcome;
    if (isDelivered) {
      this.parts.reports.succeeded(work.config, work.endpointFailures > 0);
      return { sequence, state: DeliveryCode.delivered, failures: 0, attempt };
    }
    const isTest = sequence < 0;
    if (isOurs && !isTest) return { sequence, failures, retryMs: OURS_MS, attempt };
    if (isGone) await this.disable(work);
    else this.charge(work, outcome);
    const retryMs = isTest ? undefined : this.parts.schedule.pause(failures + 1, outcome.retryAfterMs);
    if (retryMs === undefined) return { ...this.givenUp(work, delivery, attempt), attempt };
    return { sequence, failures: failures + 1, retryMs, attempt };
  }

  /** What an operator has sent again stays what it was. */
  private givenUp(
    { config, resend }: PushWork,
    delivery: PushDelivery,
    { status, error }: { readonly status?: number | null; readonly error: string | null },
  ): PushResult {
    const { sequence, failures } = delivery;
    const isTest = sequence < 0;
    if (!isTest) this.parts.logger.warn({ ...namesOf(config), sequence, status, error }, 'push.dead');
    const state = delivery === resend && !isTest ? undefined : DeliveryCode.dead;
    return { sequence, state, failures: failures + 1 };
  }

  private charge({ config }: PushWork, { isEndpoints, retryAfterMs = 0 }: AttemptOutcome): void {
    if (isEndpoints) this.parts.reports.failed(config, this.parts.schedule.bounded(retryAfterMs));
  }

  private async disable({ config }: PushWork): Promise<void> {
    const isNew = await this.parts.disable({ ...config, configUid: config.uid }, config.url, 'gone');
    if (isNew) this.parts.logger.warn(namesOf(config), 'push.config_disabled');
  }
}

function namesOf({ tenantId, taskId, uid, endpoint }: PushWork['config']) {
  return { tenant: tenantId, taskId, configUid: uid, endpoint };
}
