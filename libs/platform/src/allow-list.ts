import { isIP } from 'node:net';
import { AddressRanges, isNetwork } from './special-address.js';

/** A host and port that something is sent to; an IPv6 address stands without brackets. */
export interface Target {
  readonly host: string;
  readonly port: number;
}

/** One entry of an {@link AllowList}: a name at one port or at all, or addresses. */
export type AllowedHost = { readonly name: string; readonly port?: number } | AllowedNetwork;

interface AllowedNetwork {
  /** An address, or a network such as `10.0.0.0/8`. */
  readonly network: string;
  readonly port?: number;
}

/**
 * Reads `host`, `host:port`, an address with or without a port (IPv6 then in brackets), or a network as address/bits.
 * Undefined for what is none of them.
 */
export function parseAllowedHost(text: string): AllowedHost | undefined {
  if (isNetwork(text)) return { network: text };
  const match = /^(\[[\da-f:.]+\]|[^\s:/?#@[\]\\*]+)(?::(\d{1,5}))?$/i.exec(text);
  if (!match || !URL.canParse(`http://${text}`)) return undefined;
  const port = match[2] === undefined ? undefined : Number(match[2]);
  const host = hostOf(new URL(`http://${text}`));
  return isIP(host) === 0 ? { name: host, port } : { network: host, port };
}

/** The host of a URL as a {@link Target} has it. */
export function hostOf(url: URL): string {
  return url.hostname.replace(/^\[|\]$/g, '');
}

/** Hosts that the operator vouches for, by their names or by addresses. */
export class AllowList {
  private readonly names: readonly Extract<AllowedHost, { name: string }>[];
  private readonly networks: readonly { ranges: AddressRanges; port?: number }[];

  constructor(allowed: readonly AllowedHost[]) {
    this.names = allowed.filter((entry) => 'name' in entry);
    const networks = allowed.filter((entry) => 'network' in entry);
    this.networks = networks.map(({ network, port }) => ({ ranges: new AddressRanges([network]), port }));
  }

  /** Whether the host is listed by its name, so that it may have any address. */
  hasName({ host, port }: Target): boolean {
    return this.names.some((entry) => entry.name === host && (entry.port ?? port) === port);
  }

  /** Whether the address is listed, for a port. */
  hasAddress(address: string, port: number): boolean {
    if (isIP(address) === 0 || address.includes('%')) return false;
    return this.networks.some((entry) => (entry.port ?? port) === port && entry.ranges.has(address));
  }
}
