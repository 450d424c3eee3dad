import { type SigningKeys } from '#access';
import { packageVersion } from '#platform';
import { type DeliveryBody } from './delivery-body.js';
import { deliveryToken } from './delivery-token.js';
import { keySignature, secretSignature, type SignedRequest } from './webhook-signature.js';

const USER_AGENT = `Perdure/${packageVersion()}`;

/** What a push config asks of the requests to its URL, decrypted. */
export interface RequestTerms {
  readonly url: string;
  readonly token?: string;
  /** `Authorization: <scheme> <credentials>`. Bearer without credentials asks to be signed for with the published keys. */
  readonly scheme?: string;
  readonly credentials?: string;
  /** Those that are valid, the newest first: two while a rotation lasts. */
  readonly secrets: readonly string[];
}

/** What is delivered. */
export interface DeliveredEvent {
  /** The same over all attempts. */
  readonly id: string;
  readonly taskId: string;
  readonly isTest?: boolean;
}

/** Makes the headers of an attempt, all of them but `host`. */
export class DeliveryHeaders {
  /** `issuer` gives the base URL of this server as receivers know it; where that is not known there are no tokens. */
  constructor(
    private readonly keys: Pick<SigningKeys, 'current'>,
    private readonly issuer: () => string | undefined,
  ) {}

  /** The headers of an attempt at `at`, with names in lower case. Each attempt is signed anew, for its own time. */
  async headers(
    terms: RequestTerms,
    delivery: DeliveredEvent,
    body: DeliveryBody,
    at = new Date(),
  ): Promise<Record<string, string>> {
    const request = { id: delivery.id, timestamp: Math.floor(at.getTime() / 1_000), body: body.bytes };
    const authorization = await this.authorization(terms, delivery, request);
    return {
      'content-type': body.contentType,
      'content-length': String(body.bytes.byteLength),
      'user-agent': USER_AGENT,
      ...(body.version !== undefined && { 'a2a-version': body.version }),
      'webhook-id': request.id,
      'webhook-timestamp': String(request.timestamp),
      'webhook-signature': this.signatures(terms, request).join(' '),
      ...(delivery.isTest && { 'webhook-test': 'true' }),
      ...(authorization !== undefined && { authorization }),
      // The official SDKs do not agree on the name: receivers in Go read it without the X.
      ...(terms.token && { 'x-a2a-notification-token': terms.token, 'a2a-notification-token': terms.token }),
    };
  }

  private signatures(terms: RequestTerms, request: SignedRequest): string[] {
    const keys = wantsKeys(terms) ? this.keys.current().webhookSigners : [];
    return [
      ...terms.secrets.map((secret) => secretSignature(request, secret)),
      ...keys.map(({ privateKey }) => keySignature(request, privateKey)),
    ];
  }

  private async authorization(
    terms: RequestTerms,
    { taskId }: DeliveredEvent,
    { id, timestamp, body }: SignedRequest,
  ): Promise<string | undefined> {
    const { scheme, credentials } = terms;
    if (scheme && credentials) return `${scheme} ${credentials}`;
    const { signer } = this.keys.current();
    const issuer = this.issuer();
    if (!wantsKeys(terms) || !signer || issuer === undefined) return undefined;
    const claims = { issuer, audience: terms.url, deliveryId: id, taskId, timestamp, body };
    return `Bearer ${await deliveryToken(claims, signer)}`;
  }
}

/** Whether the receiver has no secret to be shown, and wants to see that it is this server that sends. */
function wantsKeys({ scheme, credentials }: RequestTerms): boolean {
  return scheme?.toLowerCase() === 'bearer' && !credentials;
}
