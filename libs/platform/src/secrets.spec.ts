import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { openSecrets, SecretError, Secrets } from './secrets.js';

const key = (byte: number) => new Uint8Array(32).fill(byte);
const folder = mkdtempSync(join(tmpdir(), 'perdure-secrets-'));
afterAll(() => rmSync(folder, { recursive: true }));

describe('Secrets', () => {
  const secrets = new Secrets([key(1)]);

  it('makes the same mac of the same text for the same use alone, and knows those of all its keys', () => {
    const mac = secrets.mac('task 1', 'call');
    expect(mac).toMatch(/^[\w-]{43}$/);
    expect(secrets.mac('task 1', 'call')).toBe(mac);
    expect(secrets.isMac(mac, 'task 1', 'call')).toBe(true);
    expect(new Secrets([key(2), key(1)]).isMac(mac, 'task 1', 'call')).toBe(true);
    const others = [
      secrets.mac('task 2', 'call'),
      secrets.mac('task 1', 'mail'),
      new Secrets([key(2)]).mac('task 1', 'call'),
    ];
    for (const wrong of [...others, '', mac.slice(1), `${mac}=`]) {
      expect(secrets.isMac(wrong, 'task 1', 'call'), wrong).toBe(false);
    }
  });

  it('opens what it sealed, and never seals the same way twice', () => {
    const sealed = secrets.seal('hunter2 ü', 'table/1');
    expect(secrets.open(sealed, 'table/1')).toBe('hunter2 ü');
    expect(sealed).toMatch(/^v1\.[0-9a-f]{16}\.[\w-]+$/);
    expect(Buffer.from(sealed.split('.')[2]!, 'base64url').toString('latin1')).not.toContain('hunter2');
    expect(secrets.seal('hunter2 ü', 'table/1')).not.toBe(sealed);
  });

  it('opens nothing that was moved to another place', () => {
    expect(() => secrets.open(secrets.seal('hunter2', 'table/1'), 'table/2')).toThrow(SecretError);
  });

  it('opens nothing that was changed, at any byte', () => {
    const [format, id, body] = secrets.seal('hunter2', 'place').split('.');
    const bytes = Buffer.from(body!, 'base64url');
    for (let index = 0; index < bytes.length; index++) {
      const changed = Buffer.from(bytes);
      changed[index] = changed[index]! ^ 1;
      const sealed = [format, id, changed.toString('base64url')].join('.');
      expect(() => secrets.open(sealed, 'place')).toThrow('place does not decrypt');
    }
    for (const short of ['', 'AAAA']) expect(() => secrets.open(`v1.${id}.${short}`, 'p')).toThrow(SecretError);
  });

  it('opens with every key, and seals with the first', () => {
    const sealed = secrets.seal('hunter2', 'place');
    const both = new Secrets([key(2), key(1)]);
    expect(both.open(sealed, 'place')).toBe('hunter2');
    expect(() => secrets.open(both.seal('hunter2', 'place'), 'place')).toThrow(
      /another PERDURE_SECRET_KEY \(id \w{16}\)/,
    );
  });

  it.each([[[]], [[new Uint8Array(16)]]])('refuses keys that are too few or too short', (keys) => {
    expect(() => new Secrets(keys)).toThrow(TypeError);
  });
});

describe('openSecrets', () => {
  it('makes a key for the embedded database once, for its owner alone', () => {
    const settings = { secretKeys: [], dataDir: join(folder, 'data') };
    const sealed = openSecrets(settings)!.seal('hunter2', 'place');
    expect(openSecrets(settings)!.open(sealed, 'place')).toBe('hunter2');
    const file = join(folder, 'data/secret.key');
    expect(statSync(file).mode & 0o777).toBe(0o600);
    expect(Buffer.from(readFileSync(file, 'utf8'), 'base64')).toHaveLength(32);
  });

  it('makes none for a database of the operator’s', () => {
    const databaseUrl = 'postgres://db/app';
    expect(openSecrets({ secretKeys: [], databaseUrl, dataDir: folder })).toBeUndefined();
    expect(openSecrets({ secretKeys: [key(1)], databaseUrl, dataDir: folder })).toBeInstanceOf(Secrets);
  });
});
