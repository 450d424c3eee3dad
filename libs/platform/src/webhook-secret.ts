import { randomBytes } from 'node:crypto';

const PREFIX = 'whsec_';
const BYTES = 32;

/** A new secret that webhooks are signed with, in the form of Standard Webhooks: `whsec_` and 32 bytes as base64. */
export function newWebhookSecret(): string {
  return PREFIX + randomBytes(BYTES).toString('base64');
}

/** The bytes of a secret, 24 to 64 as Standard Webhooks has them; undefined for a text that is none. */
export function webhookSecretBytes(secret: string): Buffer | undefined {
  const [, text] = /^whsec_([A-Za-z0-9+/]+={0,2})$/.exec(secret) ?? [];
  const bytes = Buffer.from(text ?? '', 'base64');
  return bytes.length >= 24 && bytes.length <= 64 ? bytes : undefined;
}

/** The place that the secrets of a push config are sealed for, the current and the previous one: a rotation moves one over. */
export function webhookSecretPlace(configUid: string): string {
  return `push config ${configUid} secret`;
}
