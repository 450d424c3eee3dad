import { type DeliveryEvidence, type DeliveryFinding } from './delivery-evidence.js';
import { checkSignatures } from './signature-check.js';
import { checkToken } from './token-check.js';

/**
 * Checks the signatures of a delivery and its token, each with what is known of the sender. What has no error is proven by at
 * least one of them: where nothing given fits anything in the request, that is an error too.
 */
export async function checkDelivery(evidence: DeliveryEvidence): Promise<DeliveryFinding[]> {
  const findings = [...checkSignatures(evidence), ...(await checkToken(evidence))];
  const isProven = findings.some(({ level, field }) => level === 'ok' && PROOFS.has(field));
  const isWrong = findings.some(({ level }) => level === 'error');
  if (isProven || isWrong) return findings;
  const message = 'of the sender was not to be had: nothing that was given fits a signature in the request';
  return [...findings, { level: 'error', field: 'proof', message }];
}

const PROOFS: ReadonlySet<string> = new Set(['webhook-signature', 'authorization']);
