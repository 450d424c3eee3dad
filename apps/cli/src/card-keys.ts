import { readFile } from 'node:fs/promises';
import { type CardKeyLookup, isLoopback } from '#protocol';
import { getDocument } from './http-document.js';

type Keys = Awaited<ReturnType<CardKeyLookup>>;

/** An honest card has one; each is a request that the card makes us send. */
const MAX_SETS = 4;

/**
 * Finds the keys of the signatures of the card at `card`: in the JWK set of `trusted`, a URL or a file, where one is given, else
 * at each signature's `jku`. A set is fetched once, of one card four at most. Its errors say in words why there is no key.
 */
export function cardKeys(card: URL, trusted: string | undefined): CardKeyLookup {
  const sets = new Map<string, Promise<Keys>>();
  const keysAt = (place: string) => {
    return trusted === undefined ? namedBy(card, place) : jwkSet(trusted);
  };
  return async ({ jku }) => {
    const place = trusted ?? jku;
    if (place === undefined) throw new Error('the signature names no JWK set (jku): give one with --jwks');
    const known = sets.get(place);
    if (known) return known;
    if (sets.size >= MAX_SETS) throw new Error(`the signatures before it name ${MAX_SETS} JWK sets already`);
    const set = keysAt(place);
    sets.set(place, set);
    return set;
  };
}

/** The keys of the JWK set at a URL or in a file. Rejects with an error whose message says in words why there are none. */
export function jwkSet(place: string): Promise<Keys> {
  return isUrl(place) ? fromUrl(place) : fromFile(place);
}

/** A card says where its keys are, and it may be anyone's: it cannot make us ask our own machine unless it is there itself. */
async function namedBy(card: URL, jku: string): Promise<Keys> {
  const isHere = URL.canParse(jku) && isLoopback(new URL(jku).hostname);
  if (isHere && !isLoopback(card.hostname))
    throw new Error(`the JWK set at ${jku} is on this machine, the card is not`);
  return fromUrl(jku);
}

function isUrl(text: string): boolean {
  return /^https?:\/\//i.test(text);
}

async function fromFile(path: string): Promise<Keys> {
  return keysIn(await readFile(path, 'utf8'), path);
}

async function fromUrl(url: string): Promise<Keys> {
  if (!isUrl(url) || !URL.canParse(url)) throw new Error(`the JWK set's URL ${url} cannot be used`);
  const { protocol, hostname } = new URL(url);
  if (protocol !== 'https:' && !isLoopback(hostname)) throw new Error(`the JWK set at ${url} is not served over https`);
  const { status, text } = await getDocument(new URL(url), { accept: 'application/jwk-set+json, application/json' });
  if (status !== 200) throw new Error(`there is no JWK set at ${url}: HTTP ${status}`);
  return keysIn(text, url);
}

function keysIn(text: string, place: string): Keys {
  try {
    const { keys } = JSON.parse(text) as { keys?: unknown };
    if (Array.isArray(keys) && keys.every((key) => typeof key === 'object' && key !== null)) return keys as Keys;
  } catch {
    // Said below, as for JSON that is something else.
  }
  throw new Error(`what stands at ${place} is no JWK set`);
}
