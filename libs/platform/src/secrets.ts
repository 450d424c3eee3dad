import { createCipheriv, createDecipheriv, createHash, createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import { existsSync, linkSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Config } from './config.js';

/** Bytes of a secret key: AES-256. */
export const SECRET_KEY_BYTES = 32;

const ALGORITHM = 'aes-256-gcm';
const FORMAT = 'v1';
const IV_BYTES = 12;
const TAG_BYTES = 16;

/** A sealed text cannot be opened: it was sealed with a key that is not among the given ones, for another place, or was changed. */
export class SecretError extends Error {
  override readonly name = 'SecretError';
}

/**
 * Encrypts what must not lie in the database in the clear: AES-256-GCM with a random nonce. What comes out is text:
 * `v1.<id of the key>.<nonce, ciphertext and tag as base64url>`.
 */
export class Secrets {
  private readonly keys: ReadonlyMap<string, Uint8Array>;
  private readonly current: string;

  /** The first key seals, all of them open: so a key is replaced by putting the new one before it. Each has 32 bytes. */
  constructor(keys: readonly Uint8Array[]) {
    const entries = keys.map((key) => [keyId(key), key] as const);
    const [first] = entries;
    if (!first || keys.some((key) => key.length !== SECRET_KEY_BYTES)) throw new TypeError('wants keys of 32 bytes');
    this.keys = new Map(entries);
    this.current = first[0];
  }

  /** `place` names where the text is kept, such as table and key: a sealed text that is moved elsewhere does not open. */
  seal(text: string, place: string): string {
    const iv = randomBytes(IV_BYTES);
    const cipher = createCipheriv(ALGORITHM, this.keys.get(this.current)!, iv).setAAD(aad(this.current, place));
    const sealed = Buffer.concat([iv, cipher.update(text, 'utf8'), cipher.final(), cipher.getAuthTag()]);
    return [FORMAT, this.current, sealed.toString('base64url')].join('.');
  }

  /** Throws a {@link SecretError}, which holds nothing of the text. */
  open(sealed: string, place: string): string {
    const [format, id = '', body = ''] = sealed.split('.');
    const key = this.keys.get(id);
    if (format !== FORMAT || !key) {
      throw new SecretError(`${place} was encrypted with another PERDURE_SECRET_KEY (id ${printableId(id)})`);
    }
    const bytes = Buffer.from(body, 'base64url');
    try {
      const decipher = createDecipheriv(ALGORITHM, key, bytes.subarray(0, IV_BYTES), { authTagLength: TAG_BYTES });
      decipher.setAAD(aad(id, place)).setAuthTag(bytes.subarray(-TAG_BYTES));
      return decipher.update(bytes.subarray(IV_BYTES, -TAG_BYTES), undefined, 'utf8') + decipher.final('utf8');
    } catch {
      throw new SecretError(`${place} does not decrypt: what is stored there was changed`);
    }
  }

  /** What only a process with the key can say of the text: HMAC-SHA-256 as base64url. `place` names what it is used for. */
  mac(text: string, place: string): string {
    return macOf(this.keys.get(this.current)!, text, place);
  }

  /** Whether that is the text's `mac` by any of the keys. How long it takes does not depend on where they differ. */
  isMac(mac: string, text: string, place: string): boolean {
    const given = Buffer.from(mac);
    const isIt = (wanted: Buffer) => wanted.length === given.length && timingSafeEqual(wanted, given);
    return [...this.keys.values()].some((key) => isIt(Buffer.from(macOf(key, text, place))));
  }
}

/**
 * The secrets that the settings give: PERDURE_SECRET_KEY, else, with the embedded database alone, a key in the data folder,
 * made at the first call and readable by its owner only. Undefined where DATABASE_URL is set and no key is: one made by a
 * process would be lost with its machine, and no other replica would have it.
 */
export function openSecrets(config: Pick<Config, 'secretKeys' | 'databaseUrl' | 'dataDir'>): Secrets | undefined {
  if (!hasSecrets(config)) return undefined;
  return new Secrets(config.secretKeys.length > 0 ? config.secretKeys : [ownKey(config.dataDir)]);
}

/** Whether {@link openSecrets} opens any. */
export function hasSecrets({ secretKeys, databaseUrl }: Pick<Config, 'secretKeys' | 'databaseUrl'>): boolean {
  return secretKeys.length > 0 || databaseUrl === undefined;
}

function ownKey(dataDir: string): Uint8Array {
  const file = join(dataDir, 'secret.key');
  if (!existsSync(file)) makeKey(dataDir, file);
  const key = Buffer.from(readFileSync(file, 'utf8').trim(), 'base64');
  if (key.length !== SECRET_KEY_BYTES) throw new Error(`${file} does not hold 32 bytes as base64`);
  return key;
}

/** The file appears complete or not at all, and never in place of another process' key. */
function makeKey(dataDir: string, file: string): void {
  mkdirSync(dataDir, { recursive: true });
  const unfinished = `${file}.new-${process.pid}`;
  writeFileSync(unfinished, `${randomBytes(SECRET_KEY_BYTES).toString('base64')}\n`, { mode: 0o600, flush: true });
  try {
    linkSync(unfinished, file);
  } catch (error) {
    if (!existsSync(file)) throw error;
  } finally {
    rmSync(unfinished, { force: true });
  }
}

/** Says which key it was without saying anything about it. */
function keyId(key: Uint8Array): string {
  return createHash('sha256').update('perdure secret key id\0').update(key).digest('hex').slice(0, 16);
}

function macOf(key: Uint8Array, text: string, place: string): string {
  return createHmac('sha256', key).update(`perdure mac\0${place}\0${text}`).digest('base64url');
}

function aad(id: string, place: string): Buffer {
  return Buffer.from(`${FORMAT}.${id}.${place}`);
}

function printableId(id: string): string {
  return /^[0-9a-f]{16}$/.test(id) ? id : 'unreadable';
}
