import { performance } from 'node:perf_hooks';
import { type Logger, SecretError, type Secrets, type Signals } from '#platform';
import { type CardSigningKey, cardSigningKey } from '#protocol';
import { type SigningKeyRow, type Store } from '#store';
import { KeyRotation, sealPlace } from './key-rotation.js';
import { nextChangeMs, signingKeyStates } from './signing-key-state.js';
import { webhookKey, type WebhookKey } from './webhook-key.js';

/** Topic of the signal that the keys have changed. */
export const SIGNING_KEY_SIGNALS = 'signing-keys';

/** How late a process may learn of new keys whose signal was lost. */
const POLL_MS = 15_000;

/** The keys as they stand: another object where anything about them is different. */
export interface KeyRing {
  /** What signs cards, and the tokens of webhooks; undefined where they are not signed. */
  readonly signer?: CardSigningKey;
  /** Since when it does. */
  readonly signsSince?: Date;
  /**
   * What signs webhooks with ed25519: the key whose time it is, and those before it that are published still. A receiver that
   * holds one of them, and asks for no JWKS, has until its end to take the next.
   */
  readonly webhookSigners: readonly WebhookKey[];
  /** The public JWKs, as JSON. */
  readonly published: readonly string[];
  /** When `published` changed last; undefined where nothing ever was. */
  readonly publishedSince?: Date;
}

/** What the keys of a process are made of. */
export interface SigningKeyParts {
  readonly store: Store;
  readonly signals: Signals;
  /** Undefined: this process has no secret key, and signs nothing. */
  readonly secrets: Secrets | undefined;
  readonly logger: Logger;
}

const NO_KEYS: KeyRing = { webhookSigners: [], published: [] };

/** What a signing key signs with. */
interface OpenKey {
  readonly card: CardSigningKey;
  readonly webhook: WebhookKey;
}

/**
 * The keys that sign agent cards and webhooks, the same in every process on the database: its rows and its clock say which key
 * signs when. Asking takes no look at the database; a change comes by signal, else within 15 s, a time that has come at once.
 */
export class SigningKeys {
  private rows: readonly SigningKeyRow[] = [];
  private readAt = 0;
  /** By id; undefined for a key that this process cannot open. */
  private readonly opened = new Map<string, OpenKey | undefined>();
  private ring = NO_KEYS;
  private ringEnds = 0;
  private refreshing: Promise<void> = Promise.resolve();
  private poll: NodeJS.Timeout | undefined;
  private unsubscribe: (() => void) | undefined;

  constructor(private readonly parts: SigningKeyParts) {}

  /**
   * Makes the first key where there is none. Rejects where the secret key is missing or is not the one that the keys were
   * encrypted with: replicas that sign and replicas that do not would contradict each other.
   */
  async start(): Promise<void> {
    const { store, secrets, signals, logger } = this.parts;
    if (secrets) await new KeyRotation(store.database, store.signingKeys, secrets).ensureKey();
    await this.load();
    if (this.ring.published.length > 0 && !this.ring.signer) throw new SecretError(noSecretText(this.rows, secrets));
    if (!secrets) logger.warn({ hint: 'set PERDURE_SECRET_KEY to sign agent cards' }, 'signing_keys.disabled');
    this.unsubscribe = signals.subscribe(SIGNING_KEY_SIGNALS, () => this.refresh());
    this.poll = setInterval(() => this.refresh(), POLL_MS).unref();
  }

  async stop(): Promise<void> {
    clearInterval(this.poll);
    this.unsubscribe?.();
    await this.refreshing;
  }

  /** The keys of this moment. */
  current(): KeyRing {
    if (performance.now() >= this.ringEnds) this.turn();
    return this.ring;
  }

  private refresh(): void {
    this.refreshing = this.refreshing
      .then(() => this.load())
      .catch((error: unknown) => this.parts.logger.warn({ err: error }, 'signing_keys.read_failed'));
  }

  private async load(): Promise<void> {
    const { store } = this.parts;
    const rows = await store.signingKeys.all(store.db);
    const readAt = performance.now();
    for (const row of rows) if (!this.opened.has(row.id)) this.opened.set(row.id, await this.open(row));
    [this.rows, this.readAt] = [rows, readAt];
    this.turn();
  }

  /** A key that this process cannot open is published all the same; another replica may sign with it. */
  private async open({ id, algorithm, privateKey }: SigningKeyRow): Promise<OpenKey | undefined> {
    const { secrets, logger } = this.parts;
    if (!secrets || privateKey === null) return undefined;
    try {
      const jwk = JSON.parse(secrets.open(privateKey, sealPlace(id))) as Parameters<typeof cardSigningKey>[2];
      return { card: await cardSigningKey(id, algorithm, jwk), webhook: await webhookKey(jwk) };
    } catch (error) {
      logger.error({ keyId: id, err: error instanceof SecretError ? error : undefined }, 'signing_keys.unreadable');
      return undefined;
    }
  }

  /** Puts the keys where their times say that they are now. */
  private turn(): void {
    const elapsedMs = performance.now() - this.readAt;
    this.ringEnds = this.readAt + (nextChangeMs(this.rows, elapsedMs) ?? Infinity);
    const ring = keyRing(this.rows, this.opened, elapsedMs);
    const isSame = ring.signer === this.ring.signer && ring.published.join() === this.ring.published.join();
    if (!isSame) this.ring = ring;
  }
}

function keyRing(
  rows: readonly SigningKeyRow[],
  opened: ReadonlyMap<string, OpenKey | undefined>,
  elapsedMs: number,
): KeyRing {
  const states = signingKeyStates(rows, elapsedMs);
  const inState = (...wanted: string[]) => rows.filter((_, index) => wanted.includes(states[index] ?? ''));
  // The one whose time it is; where only other replicas can open that, the one before it.
  const signing = inState('signing', 'verifying').filter(({ id }) => opened.get(id));
  const [row] = signing;
  const published = inState('upcoming', 'signing', 'verifying');
  const changes = [
    ...rows.map(({ createdAt }) => createdAt),
    ...inState('retired').flatMap(({ publishedUntil }) => publishedUntil ?? []),
  ].map((time) => time.getTime());
  return {
    signer: row && opened.get(row.id)?.card,
    signsSince: row?.signsFrom,
    webhookSigners: signing.flatMap(({ id }) => opened.get(id)?.webhook ?? []),
    published: published.flatMap(({ id, publicKey }) => {
      const webhook = opened.get(id)?.webhook;
      return webhook ? [publicKey, JSON.stringify(webhook.publicKey)] : [publicKey];
    }),
    publishedSince: changes.length > 0 ? new Date(Math.max(...changes)) : undefined,
  };
}

function noSecretText(rows: readonly SigningKeyRow[], secrets: Secrets | undefined): string {
  const found = `the database has keys that sign agent cards (${rows[0]?.id})`;
  if (!secrets) return `${found}, and PERDURE_SECRET_KEY is not set: set it to the key they were encrypted with`;
  return `${found} that PERDURE_SECRET_KEY does not decrypt: add the key they were encrypted with behind it, after a comma`;
}
