import { base64url, decodeProtectedHeader, errors, FlattenedSign, flattenedVerify, importJWK, type JWK } from 'jose';
import { canonicalForms, type CardForm } from './card-form.js';
import { type CardSigningKey } from './card-key.js';
import { type AgentCardJson, type AgentCardSignatureJson } from './gen/lf/a2a/v1/a2a_pb.js';

/** Algorithms a card's signature may use: asymmetric ones, since the key that verifies is public. */
export const CARD_SIGNATURE_ALGORITHMS = [
  ...['ES256', 'ES384', 'ES512', 'RS256', 'RS384', 'RS512'],
  ...['PS256', 'PS384', 'PS512', 'EdDSA', 'Ed25519'],
] as const;

/** A hostile card or JWK set can make its verifier compute for hours; so many signatures, and keys of one id, are looked at. */
const MAX_SIGNATURES = 16;
const MAX_KEYS = 8;

/** Which key a signature names: its `kid`, and the `jku`, the URL of a JWKS, where it has one. */
export interface CardKeyName {
  readonly kid: string;
  readonly jku?: string;
}

/** Finds the public keys (JWK) that may be meant. What it throws becomes the reason of `key-not-found`. */
export type CardKeyLookup = (name: CardKeyName) => Promise<readonly JWK[]>;

/** What became of one signature. */
export interface CardSignatureVerdict {
  readonly state: 'valid' | 'invalid' | 'key-not-found';
  readonly kid?: string;
  readonly alg?: string;
  readonly jku?: string;
  /** What a valid signature covers. */
  readonly form?: CardForm;
  /** Why it is not valid, in words. */
  readonly reason?: string;
}

/**
 * The signatures of a card (specification section 8.4.2: JWS over RFC 8785) by one key, one for each form the card has: verifiers
 * disagree about members that 1.0 does not know and about empty ones, and each finds a signature it can verify. The first
 * covers what the specification says. `card` is its JSON; signatures it has already are left out.
 */
export async function signCard(
  card: AgentCardJson,
  { kid, algorithm, key }: CardSigningKey,
  jku?: string,
): Promise<AgentCardSignatureJson[]> {
  const header = { alg: algorithm, typ: 'JOSE', kid, ...(jku === undefined ? {} : { jku }) };
  return Promise.all(
    canonicalForms(card).map(async ({ text }) => {
      const payload = new TextEncoder().encode(text);
      const signed = await new FlattenedSign(payload).setProtectedHeader(header).sign(key);
      return { protected: signed.protected ?? '', signature: signed.signature };
    }),
  );
}

/**
 * Verifies every signature of a parsed card (specification section 8.4.3), in their order. A key is used only where it is meant
 * for that (`alg`, `use`, `key_ops`) and in force at `now`: neither expired, nor revoked, nor too young (`exp`, `revoked`,
 * `nbf`, `iat` of the JWK, as OpenID Federation registers them). Behind the 16th signature none is looked at. Throws A2AError
 * INVALID_PARAMS for what is no AgentCard.
 */
export async function verifyCardSignatures(
  card: unknown,
  keysFor: CardKeyLookup,
  now = new Date(),
): Promise<CardSignatureVerdict[]> {
  const forms = canonicalForms(card).map(({ form, text }) => ({ form, payload: base64url.encode(text) }));
  const { signatures } = card as { signatures?: unknown };
  const given: unknown[] = Array.isArray(signatures) ? signatures : [];
  const verdicts = given.slice(0, MAX_SIGNATURES).map((signature) => verdictOn(signature, forms, { keysFor, now }));
  return [...(await Promise.all(verdicts)), ...given.slice(MAX_SIGNATURES).map(() => TOO_MANY_SIGNATURES)];
}

const TOO_MANY_SIGNATURES: CardSignatureVerdict = {
  state: 'invalid',
  reason: `stands behind ${MAX_SIGNATURES} others, and is not looked at`,
};

interface Payload {
  readonly form: CardForm;
  /** Base64url. */
  readonly payload: string;
}

interface Verification {
  readonly keysFor: CardKeyLookup;
  readonly now: Date;
}

interface Header extends CardKeyName {
  readonly alg: string;
}

async function verdictOn(
  signature: unknown,
  payloads: readonly Payload[],
  { keysFor, now }: Verification,
): Promise<CardSignatureVerdict> {
  const parts = partsOf(signature);
  if (!parts) return { state: 'invalid', reason: 'has no texts "protected" and "signature"' };
  const header = headerOf(parts.protected);
  if (typeof header === 'string') return { state: 'invalid', reason: header };
  const name = { kid: header.kid, alg: header.alg, ...(header.jku === undefined ? {} : { jku: header.jku }) };
  const found = await lookUp(keysFor, header);
  if (typeof found === 'string') return { state: 'key-not-found', ...name, reason: found };
  const reasons: string[] = [];
  for (const key of found) {
    const unfit = unfitness(key, header.alg, now);
    const form = unfit === undefined ? await verifiedForm(parts, payloads, key, header.alg) : undefined;
    if (form) return { state: 'valid', ...name, form };
    reasons.push(unfit ?? 'the signature does not fit this card and this key: one of them was changed');
  }
  return { state: 'invalid', ...name, reason: reasons[0] };
}

function partsOf(signature: unknown): { protected: string; signature: string } | undefined {
  const { protected: header, signature: value } = (signature ?? {}) as Record<string, unknown>;
  return typeof header === 'string' && typeof value === 'string' ? { protected: header, signature: value } : undefined;
}

/** The protected header, or what is wrong with it. */
function headerOf(text: string): Header | string {
  let header;
  try {
    header = decodeProtectedHeader({ protected: text }) as Record<string, unknown>;
  } catch {
    return 'its protected header is no base64url of a JSON object';
  }
  const { alg, kid, jku, crit } = header;
  if (typeof alg !== 'string') return 'its protected header has no alg';
  if (!CARD_SIGNATURE_ALGORITHMS.some((known) => known === alg)) return `its alg ${alg.slice(0, 32)} is not accepted`;
  if (typeof kid !== 'string' || kid === '') return 'its protected header has no kid';
  if (crit !== undefined) return 'its protected header has critical parameters (crit) that are not understood';
  return { alg, kid, ...(typeof jku === 'string' ? { jku } : {}) };
}

async function lookUp(keysFor: CardKeyLookup, name: CardKeyName): Promise<readonly JWK[] | string> {
  try {
    const keys = (await keysFor(name)).filter(({ kid }) => kid === name.kid);
    return keys.length > 0 ? keys.slice(0, MAX_KEYS) : `there is no key ${name.kid}`;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

function unfitness(key: JWK, alg: string, now: Date): string | undefined {
  const seconds = now.getTime() / 1_000;
  const { exp, nbf, iat, revoked } = key as Record<string, unknown>;
  if (revoked !== undefined && revoked !== null && revoked !== false) return 'the key is revoked';
  if (typeof exp === 'number' && exp <= seconds) return `the key expired at ${isoTime(exp)}`;
  const from = typeof nbf === 'number' ? nbf : iat;
  if (typeof from === 'number' && from > seconds) return `the key is not valid before ${isoTime(from)}`;
  if (key.alg !== undefined && key.alg !== alg) return `the key is for ${key.alg}, the signature uses ${alg}`;
  if (key.use !== undefined && key.use !== 'sig') return `the key is for "${key.use}", not for signatures`;
  if (key.key_ops !== undefined && !key.key_ops.includes('verify')) return 'the key is not for verifying (key_ops)';
  return undefined;
}

function isoTime(seconds: number): string {
  const time = new Date(seconds * 1_000);
  return Number.isNaN(time.getTime()) ? `second ${seconds}` : time.toISOString();
}

/** The first form that the signature fits; undefined where it fits none, or the key cannot be used with it. */
async function verifiedForm(
  parts: { readonly protected: string; readonly signature: string },
  payloads: readonly Payload[],
  jwk: JWK,
  alg: string,
): Promise<CardForm | undefined> {
  try {
    const key = await importJWK(jwk, alg);
    for (const { form, payload } of payloads) {
      if (await fits({ ...parts, payload }, key, alg)) return form;
    }
    return undefined;
  } catch {
    return undefined;
  }
}

async function fits(
  jws: { readonly protected: string; readonly signature: string; readonly payload: string },
  key: Awaited<ReturnType<typeof importJWK>>,
  alg: string,
): Promise<boolean> {
  try {
    await flattenedVerify(jws, key, { algorithms: [alg] });
    return true;
  } catch (error) {
    if (error instanceof errors.JWSSignatureVerificationFailed) return false;
    throw error;
  }
}
