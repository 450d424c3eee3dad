import { type Queryable } from './database.js';

/** A key that signs agent cards, with its times against the clock of the database. */
export interface SigningKeyRow {
  readonly id: string;
  readonly algorithm: string;
  /** The public JWK, as JSON. */
  readonly publicKey: string;
  /** The private JWK as JSON, sealed; null once the key is retired. */
  readonly privateKey: string | null;
  readonly createdAt: Date;
  readonly signsFrom: Date;
  readonly publishedUntil: Date | null;
  /** Milliseconds until it signs, 0 or less where it may by now. */
  readonly signsInMs: number;
  /** Milliseconds until it is published no longer; null: no end is set. */
  readonly retiresInMs: number | null;
}

/** A key to be added. */
export interface NewSigningKey {
  readonly id: string;
  readonly algorithm: string;
  readonly publicKey: string;
  readonly privateKey: string;
  /** How long it is published before it signs. */
  readonly leadMs: number;
}

/** SQL of `signing_keys`. */
export class SigningKeyRepository {
  /** Lets one process at a time decide about keys; until the end of the transaction. */
  async lock(tx: Queryable): Promise<void> {
    await tx.query('lock table perdure.signing_keys in share row exclusive mode');
  }

  /** All keys, the one that signs last first. */
  async all(db: Queryable): Promise<SigningKeyRow[]> {
    const { rows } = await db.query<SigningKeyRow>(
      `select id, algorithm, public_key as "publicKey", private_key as "privateKey", created_at as "createdAt",
         signs_from as "signsFrom", published_until as "publishedUntil",
         extract(epoch from signs_from - now())::float8 * 1000 as "signsInMs",
         extract(epoch from published_until - now())::float8 * 1000 as "retiresInMs"
       from perdure.signing_keys order by signs_from desc, created_at desc, id`,
    );
    return rows;
  }

  async add(tx: Queryable, { id, algorithm, publicKey, privateKey, leadMs }: NewSigningKey): Promise<void> {
    await tx.query(
      `insert into perdure.signing_keys (id, algorithm, public_key, private_key, signs_from)
       values ($1, $2, $3, $4, now() + $5::float8 * interval '1 ms')`,
      [id, algorithm, publicKey, privateKey, leadMs],
    );
  }

  /** Ends the publication of all other keys, so long from now; an end that comes sooner stays. */
  async retireOthers(tx: Queryable, id: string, afterMs: number): Promise<void> {
    await tx.query(
      `update perdure.signing_keys set published_until = least(published_until, now() + $2::float8 * interval '1 ms')
       where id <> $1`,
      [id, afterMs],
    );
  }

  /** Forgets the private part of keys that are retired. */
  async forgetRetired(tx: Queryable): Promise<void> {
    await tx.query('update perdure.signing_keys set private_key = null where published_until <= now()');
  }
}
