import { type Secrets } from '#platform';
import { newCardKey } from '#protocol';
import { type Database, type Queryable, type SigningKeyRepository } from '#store';
import { signingKeyStates } from './signing-key-state.js';

/** When a new key takes over. */
export interface RotationTimes {
  /** How long it is published before it signs: as long as clients may keep a JWKS without it. */
  readonly leadMs: number;
  /** How long the old keys stay published after that: as long as cards signed by them are around. */
  readonly keepMs: number;
}

/** There is a key that has not begun to sign yet: another one now would take its time away. */
export class RotationPendingError extends Error {
  override readonly name = 'RotationPendingError';

  constructor(
    readonly keyId: string,
    readonly signsFrom: Date,
  ) {
    super(`key ${keyId} is published already and signs from ${signsFrom.toISOString()}`);
  }
}

/** Where a signing key's private part is sealed for. */
export function sealPlace(keyId: string): string {
  return `signing key ${keyId}`;
}

/** Makes the keys that sign agent cards, one process at a time. */
export class KeyRotation {
  constructor(
    private readonly database: Database,
    private readonly keys: SigningKeyRepository,
    private readonly secrets: Secrets,
  ) {}

  /** Makes the first key, which signs at once, where there is none that does or will. */
  async ensureKey(): Promise<void> {
    await this.database.transaction(async (tx) => {
      await this.keys.lock(tx);
      const states = signingKeyStates(await this.keys.all(tx));
      if (states.every((state) => state === 'retired')) await this.add(tx, 0);
    });
  }

  /**
   * Makes the next key; gives its id. Rejects with a {@link RotationPendingError} while the last new one waits for its time,
   * unless both times are 0: then every other key is withdrawn at once, as after a theft.
   */
  async rotate({ leadMs, keepMs }: RotationTimes): Promise<string> {
    return this.database.transaction(async (tx) => {
      await this.keys.lock(tx);
      const rows = await this.keys.all(tx);
      const states = signingKeyStates(rows);
      const waiting = rows.find((_, index) => states[index] === 'upcoming');
      if (waiting && leadMs + keepMs > 0) throw new RotationPendingError(waiting.id, waiting.signsFrom);
      const id = await this.add(tx, leadMs);
      await this.keys.retireOthers(tx, id, leadMs + keepMs);
      await this.keys.forgetRetired(tx);
      return id;
    });
  }

  private async add(tx: Queryable, leadMs: number): Promise<string> {
    const { kid: id, algorithm, publicKey, privateKey } = await newCardKey();
    const sealed = this.secrets.seal(JSON.stringify(privateKey), sealPlace(id));
    await this.keys.add(tx, { id, algorithm, publicKey: JSON.stringify(publicKey), privateKey: sealed, leadMs });
    return id;
  }
}
