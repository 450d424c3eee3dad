import { calculateJwkThumbprint, type CryptoKey, exportJWK, generateKeyPair, importJWK, type JWK } from 'jose';

/** The algorithm of keys that are made here. */
export const CARD_KEY_ALGORITHM = 'ES256';

/** A key as it is kept; `kid` is its RFC 7638 thumbprint. */
export interface NewCardKey {
  readonly kid: string;
  readonly algorithm: string;
  /** What the JWKS shows: the public parts, with `kid`, `alg` and `use`. */
  readonly publicKey: JWK;
  /** With the private parts: a secret. */
  readonly privateKey: JWK;
}

/** What signs cards. */
export interface CardSigningKey {
  readonly kid: string;
  readonly algorithm: string;
  readonly key: CryptoKey;
}

/** Makes an ES256 key pair for agent cards. */
export async function newCardKey(): Promise<NewCardKey> {
  const pair = await generateKeyPair(CARD_KEY_ALGORITHM, { extractable: true });
  const publicParts = await exportJWK(pair.publicKey);
  const kid = await calculateJwkThumbprint(publicParts);
  const names = { kid, alg: CARD_KEY_ALGORITHM, use: 'sig' };
  return {
    kid,
    algorithm: CARD_KEY_ALGORITHM,
    publicKey: { ...publicParts, ...names },
    privateKey: { ...(await exportJWK(pair.privateKey)), ...names },
  };
}

/** The key that a private JWK stands for, ready to sign. Rejects with jose's error where it is none. */
export async function cardSigningKey(kid: string, algorithm: string, privateKey: JWK): Promise<CardSigningKey> {
  return { kid, algorithm, key: (await importJWK(privateKey, algorithm)) as CryptoKey };
}
