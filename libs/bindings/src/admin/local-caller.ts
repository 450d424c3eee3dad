import { type IncomingHttpHeaders } from 'node:http';
import { BlockList, isIP } from 'node:net';
import { type FastifyRequest } from 'fastify';
import { isLoopback } from '#protocol';
import { clipped } from '../client-error.js';

/** The caller is not on this machine, or speaks for somebody who may not be. */
export class NotLocalError extends Error {
  override readonly name = 'NotLocalError';
}

const LOOPBACK = new BlockList();
LOOPBACK.addSubnet('127.0.0.0', 8, 'ipv4');
LOOPBACK.addAddress('::1', 'ipv6');
LOOPBACK.addSubnet('::ffff:127.0.0.0', 104, 'ipv6');

/** A proxy on this machine calls from loopback too, on behalf of anybody. */
const FORWARDING = /^(forwarded|via|x-forwarded(-.+)?|x-real-ip|(x|true)-client-ip|cf-connecting-ip)$/;

/**
 * Lets callers through whose connection comes from this machine. The address of the socket decides; headers can only close:
 * a forwarded call is a stranger's, and so is one by a name that is not this machine's, or from a web page: that is how
 * strangers reach servers that only listen on loopback.
 * @throws NotLocalError.
 */
export function assertLocalCaller({ raw, headers }: FastifyRequest): void {
  if (!isOfThisMachine(raw.socket.remoteAddress ?? '')) {
    throw new NotLocalError('Operators call from the machine the server runs on: this address answers loopback only');
  }
  const forwarded = Object.keys(headers).find((name) => FORWARDING.test(name));
  if (forwarded !== undefined) {
    throw new NotLocalError(
      `Operators call the server itself, not through a proxy: there is a header ${clipped(forwarded)}`,
    );
  }
  if (headers.host !== undefined && !isLoopbackName(headers.host)) {
    throw new NotLocalError(
      'Operators call the server by localhost or a loopback address: the Host header names another',
    );
  }
  if (isOfWebPage(headers)) {
    throw new NotLocalError('Operators call the server themselves: this call comes from a web page');
  }
}

/** Browsers say where a script's call comes from; an address that a person types in comes from none. */
function isOfWebPage({ origin, 'sec-fetch-site': site }: IncomingHttpHeaders): boolean {
  return origin !== undefined || (site !== undefined && site !== 'none');
}

function isOfThisMachine(address: string): boolean {
  const family = isIP(address);
  return family !== 0 && LOOPBACK.check(address, family === 6 ? 'ipv6' : 'ipv4');
}

function isLoopbackName(host: string): boolean {
  return isLoopback(host.replace(/:\d{1,5}$/, '').toLowerCase());
}
