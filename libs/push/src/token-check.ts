import { createLocalJWKSet, decodeProtectedHeader, errors, type JWK, type JWTPayload, jwtVerify } from 'jose';
import { type DeliveryEvidence, type DeliveryFinding } from './delivery-evidence.js';
import { bodyHash } from './delivery-token.js';

const FIELD = 'authorization';
const CLOCK_TOLERANCE_SECONDS = 30;
/** A key that is public must not be taken for a secret that both share. */
const ALGORITHMS = ['ES256', 'ES384', 'ES512', 'RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512', 'EdDSA'];
const CLAIMS = ['iss', 'aud', 'iat', 'exp', 'jti', 'taskId', 'request_body_sha256'];

/** Checks the JWT of a delivery with the keys at hand. A request without one, or with another credential, has nothing to check. */
export async function checkToken(evidence: DeliveryEvidence): Promise<DeliveryFinding[]> {
  const [, token] = /^Bearer +(\S+)$/i.exec(evidence.headers[FIELD] ?? '') ?? [];
  const { keys = [] } = evidence;
  if (token === undefined || keys.length === 0) return [];
  const kid = keyOf(token);
  if (kid === undefined) return [warning('has a credential of the receiver, no JWT that names its key (kid)')];
  // It may be a credential of the receiver all the same: whether anything proves the request, others say.
  if (!keys.some((key) => key.kid === kid))
    return [warning(`has a token by the key ${kid}, which is not among the keys`)];
  try {
    const { payload } = await jwtVerify(token, createLocalJWKSet({ keys: [...keys] as JWK[] }), {
      algorithms: ALGORITHMS,
      requiredClaims: CLAIMS,
      clockTolerance: CLOCK_TOLERANCE_SECONDS,
      ...(evidence.now && { currentDate: evidence.now }),
      ...(evidence.issuer !== undefined && { issuer: evidence.issuer }),
      ...(evidence.audience !== undefined && { audience: evidence.audience }),
    });
    return contentFindings(payload, evidence, kid);
  } catch (cause) {
    return [error(reasonOf(cause))];
  }
}

function keyOf(token: string): string | undefined {
  try {
    return decodeProtectedHeader(token).kid;
  } catch {
    return undefined;
  }
}

/** What the token says about the request it came with. */
function contentFindings(payload: JWTPayload, { headers, body }: DeliveryEvidence, kid: string): DeliveryFinding[] {
  if (payload.request_body_sha256 !== bodyHash(body)) return [error('was made for another body (request_body_sha256)')];
  const id = headers['webhook-id'];
  if (id !== undefined && !payload.jti?.startsWith(`${id}.`)) {
    return [error(`was made for another delivery (jti ${payload.jti})`)];
  }
  const facts = `iss ${payload.iss}, aud ${String(payload.aud)}, taskId ${String(payload.taskId)}`;
  return [{ level: 'ok', field: FIELD, message: `has a token by the key ${kid}: ${facts}` }];
}

function reasonOf(cause: unknown): string {
  if (cause instanceof errors.JWSSignatureVerificationFailed) return 'has a token whose signature does not fit its key';
  if (cause instanceof errors.JWTExpired) return 'has a token that has expired';
  if (cause instanceof errors.JWTClaimValidationFailed) {
    return `has a token whose claim "${cause.claim}" ${cause.reason === 'missing' ? 'is missing' : 'is not the expected one'}`;
  }
  return 'has a token that cannot be verified: its algorithm or its form is not accepted';
}

function error(message: string): DeliveryFinding {
  return { level: 'error', field: FIELD, message };
}

function warning(message: string): DeliveryFinding {
  return { level: 'warning', field: FIELD, message };
}
