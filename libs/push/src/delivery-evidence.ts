import { type JWK } from 'jose';

/** A delivery as a receiver has it, and what the receiver knows about its sender. */
export interface DeliveryEvidence {
  /** By their names in lower case. */
  readonly headers: Readonly<Record<string, string | undefined>>;
  /** The very bytes that came. */
  readonly body: Uint8Array;
  /** `whsec_…`: any of them may have signed. */
  readonly secrets?: readonly string[];
  /** The keys of the sender's JWKS, and those given as `whpk_…`. */
  readonly keys?: readonly JWK[];
  /** What the token has to name: the sender's base URL, and the URL of the webhook. */
  readonly issuer?: string;
  readonly audience?: string;
  readonly now?: Date;
}

/** One thing that is right, doubtful or wrong with a delivery. `message` follows the name of the header it is about. */
export interface DeliveryFinding {
  readonly level: 'ok' | 'warning' | 'error';
  readonly field: string;
  readonly message: string;
}
