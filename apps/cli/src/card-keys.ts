import { readFile } from 'node:fs/promises';
import { type CardKeyLookup } from '#protocol';
import { getDocument } from './http-document.js';

type Keys = Awaited<ReturnType<CardKeyLookup>>;

/**
 * Finds the keys of a card's signatures: in the JWK set of `trusted`, a URL or a file, where one is given, else at each
 * signature's `jku`. A set is fetched once. Its errors say in words why there is no key.
 */
export function cardKeys(trusted: string | undefined): CardKeyLookup {
  const sets = new Map<string, Promise<Keys>>();
  return async ({ jku }) => {
    const place = trusted ?? jku;
    if (place === undefined) throw new Error('the signature names no JWK set (jku): give one with --jwks');
    const set = sets.get(place) ?? (trusted !== undefined && !isUrl(trusted) ? fromFile(trusted) : fromUrl(place));
    sets.set(place, set);
    return set;
  };
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
  const isLocal = hostname === 'localhost' || hostname === '[::1]' || hostname.startsWith('127.');
  if (protocol !== 'https:' && !isLocal) throw new Error(`the JWK set at ${url} is not served over https`);
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
