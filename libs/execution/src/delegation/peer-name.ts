import { InvalidCallError } from '../handler-errors.js';

/** Whom a handler delegates to. */
export interface PeerName {
  /** URL of a card, or of what has its card at the well-known path; or the id of an agent of this server. */
  readonly name: string;
  readonly isLocal: boolean;
}

const AGENT_ID = /^[A-Za-z0-9_-]{1,64}$/;
const URL_MAX = 2_000;

/** @throws InvalidCallError for what is neither an agent's id nor a URL that can be called. */
export function peerName(peer: unknown): PeerName {
  if (typeof peer === 'string' && AGENT_ID.test(peer)) return { name: peer, isLocal: true };
  const url = typeof peer === 'string' && peer.length <= URL_MAX && URL.canParse(peer) ? new URL(peer) : undefined;
  if (!url || !['http:', 'https:'].includes(url.protocol)) {
    throw new InvalidCallError('the peer in task.delegate is neither the id of an agent here nor an http(s) URL');
  }
  // It would be kept and logged as it is.
  if (url.username !== '' || url.password !== '') {
    throw new InvalidCallError('the URL of the peer in task.delegate carries a user name or password');
  }
  return { name: url.href, isLocal: false };
}
