import { type Logger } from '#platform';
import { type PushAttempt, type PushDelivery, type PushLaneKey } from '#store';
import { deliveryId, type OpenedPushConfig } from '#tasks';
import { type BodySubject, type DeliveryBodies, type DeliveryBody } from './delivery-body.js';
import { type DeliveryHeaders } from './delivery-headers.js';
import { SendError } from './send-error.js';
import { type WebhookClient, type WebhookResponse } from './webhook-client.js';

/** How an attempt went. */
export interface AttemptOutcome {
  readonly attempt: PushAttempt;
  /** The receiver has it: any status of 200 to 299. */
  readonly isDelivered: boolean;
  /** The receiver wants no more (410). */
  readonly isGone: boolean;
  /** It was ended from here. */
  readonly isAborted: boolean;
  /** Our own proxy has failed: it counts as no attempt. */
  readonly isOurs: boolean;
  /** It says something of the endpoint. */
  readonly isEndpoints: boolean;
  /** How long the receiver asks to be left alone (429, 503). */
  readonly retryAfterMs?: number;
}

const GONE = 410;
const BUSY = [429, 503];
/** Errors that the network has no part in. */
const OUR_ERRORS = ['internal', 'proxy', 'aborted', 'invalid_request', 'refused_address'];

/** Makes attempts: body, headers, signatures, one POST. */
export class Attempts {
  constructor(
    private readonly parts: {
      readonly client: WebhookClient;
      readonly bodies: DeliveryBodies;
      readonly headers: DeliveryHeaders;
      readonly logger: Logger;
    },
  ) {}

  /** Never throws: what fails on our side is an attempt that has failed too. Undefined where there is nothing to send. */
  async make(
    lane: PushLaneKey,
    terms: OpenedPushConfig,
    delivery: PushDelivery,
    lease: { readonly signal: AbortSignal; readonly isFresh: boolean },
  ): Promise<AttemptOutcome | undefined> {
    const at = new Date();
    try {
      const body = await this.bodyOf({ ...lane, ...terms }, delivery);
      if (!body) return undefined;
      const { configUid, taskId } = lane;
      const { sequence } = delivery;
      const event = { id: deliveryId({ configUid, sequence }), taskId, isTest: sequence < 0 };
      const headers = await this.parts.headers.headers(terms, event, body, at);
      const { signal } = lease;
      const request = { url: terms.url, headers, body: body.bytes, signal, isWanted: () => lease.isFresh };
      return answered(at, await this.parts.client.send(request));
    } catch (error) {
      return this.failed(at, lane, error);
    }
  }

  private bodyOf(subject: BodySubject, { sequence, event }: PushDelivery): Promise<DeliveryBody | undefined> {
    if (sequence < 0) return this.parts.bodies.ofTask(subject);
    return event === null ? Promise.resolve(undefined) : this.parts.bodies.of(subject, { sequence, event });
  }

  private failed(at: Date, lane: PushLaneKey, error: unknown): AttemptOutcome {
    const isSendError = error instanceof SendError;
    if (!isSendError) this.parts.logger.error({ err: error, ...lane }, 'push.attempt_failed');
    const code = isSendError ? error.code : 'internal';
    const latencyMs = isSendError ? error.latencyMs : 0;
    return {
      attempt: { at, latencyMs, status: null, error: code, response: null },
      isDelivered: false,
      isGone: false,
      isAborted: code === 'aborted',
      isOurs: code === 'proxy',
      isEndpoints: !OUR_ERRORS.includes(code),
    };
  }
}

function answered(at: Date, { status, latencyMs, response, retryAfterMs }: WebhookResponse): AttemptOutcome {
  return {
    attempt: { at, latencyMs, status, error: null, response },
    isDelivered: status >= 200 && status < 300,
    isGone: status === GONE,
    isAborted: false,
    isOurs: false,
    isEndpoints: true,
    retryAfterMs: BUSY.includes(status) ? retryAfterMs : undefined,
  };
}
