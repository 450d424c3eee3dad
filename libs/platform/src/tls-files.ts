import { createPrivateKey, X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { type Environment } from './environment.js';

/** What a server proves itself with, as PEM. */
export interface TlsFiles {
  /** The server's certificate, followed by those between it and its authority. */
  readonly certificate: Buffer;
  readonly key: Buffer;
  /** The authorities that clients' certificates come from; where they are given, every client needs one. */
  readonly clientCa?: Buffer;
}

/**
 * The PEM files that `<prefix>_CERT`, `<prefix>_KEY` and `<prefix>_CLIENT_CA` name; undefined where none is set. What cannot
 * be read or does not belong together is a problem of the variable that names it.
 */
export function readTlsFiles(env: Environment, prefix: string): TlsFiles | undefined {
  const names = { certificate: `${prefix}_CERT`, key: `${prefix}_KEY`, clientCa: `${prefix}_CLIENT_CA` };
  const set = Object.values(names).filter((name) => env.raw(name) !== undefined);
  if (set.length === 0) return undefined;
  const certificate = readPem(env, names.certificate, 'a PEM file with a certificate', parseCertificate);
  const key = readPem(env, names.key, 'a PEM file with a private key that no passphrase protects', createPrivateKey);
  const clientCa =
    env.raw(names.clientCa) === undefined
      ? undefined
      : readPem(env, names.clientCa, 'a PEM file with certificates', parseCertificate);
  if (!certificate || !key) return undefined;
  if (!certificate.parsed.checkPrivateKey(key.parsed)) {
    return env.refuse(
      names.key,
      env.text(names.key, ''),
      `the key of the certificate in ${names.certificate}`,
      undefined,
    );
  }
  return { certificate: certificate.pem, key: key.pem, clientCa: clientCa?.pem };
}

/** The first of the file is the one that counts. */
function parseCertificate(pem: Buffer): X509Certificate {
  return new X509Certificate(pem);
}

function readPem<T>(
  env: Environment,
  variable: string,
  wanted: string,
  parse: (pem: Buffer) => T,
): { pem: Buffer; parsed: T } | undefined {
  const path = env.raw(variable);
  if (path === undefined) return env.refuse(variable, '', wanted, undefined);
  try {
    const pem = readFileSync(resolve(path));
    return { pem, parsed: parse(pem) };
  } catch {
    return env.refuse(variable, path, wanted, undefined);
  }
}
