import { type Secrets, webhookSecretPlace } from '#platform';
import { type OlderDialect, type PushFilter } from '#protocol';
import { type PushConfigRow, type PushSettings } from '#store';
import { type CheckedPushConfig } from './push-config-check.js';

/** A webhook with what its receiver knows us by in the clear: to be sent, and never to be shown. */
export interface OpenedPushConfig {
  readonly url: string;
  readonly token?: string;
  readonly scheme?: string;
  readonly credentials?: string;
  /** `whsec_…`, the newest first; all of them sign. */
  readonly secrets: readonly string[];
  readonly filter?: PushFilter;
  /** 1.0 where absent. */
  readonly dialect?: OlderDialect;
  readonly clientTaskId?: string;
}

/** What a new webhook, or one with new settings, is stored as. */
export function sealPushConfig(
  checked: CheckedPushConfig,
  uid: string,
  secret: string,
  secrets: Secrets,
): PushSettings {
  const { id: _, token, credentials, ...open } = checked;
  const sealed = (text: string | null, what: string) => (text === null ? null : secrets.seal(text, placeOf(uid, what)));
  return {
    ...open,
    token: sealed(token, 'token'),
    credentials: sealed(credentials, 'credentials'),
    secret: secrets.seal(secret, webhookSecretPlace(uid)),
  };
}

/** Throws a SecretError where the secret key is another one than the webhook was stored with. */
export function openPushConfig(row: PushConfigRow, secrets: Secrets): OpenedPushConfig {
  const { uid, url, scheme, secret, previousSecret, filter, dialect, clientTaskId } = row;
  const opened = (sealed: string | null, what: string) =>
    sealed === null ? undefined : secrets.open(sealed, placeOf(uid, what));
  const signing = [secret, previousSecret].filter((sealed) => sealed !== null);
  return {
    url,
    token: opened(row.token, 'token'),
    scheme: scheme ?? undefined,
    credentials: opened(row.credentials, 'credentials'),
    secrets: signing.map((sealed) => secrets.open(sealed, webhookSecretPlace(uid))),
    filter: filter === null ? undefined : (JSON.parse(filter) as PushFilter),
    dialect: dialect ?? undefined,
    clientTaskId: clientTaskId ?? undefined,
  };
}

function placeOf(uid: string, what: string): string {
  return `push config ${uid} ${what}`;
}
