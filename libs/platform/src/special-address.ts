import { BlockList, isIP, isIPv6 } from 'node:net';

/**
 * What an address is, where it is none of a host on the public internet: `a loopback address`; undefined for one that is.
 * `address` is an IPv4 or IPv6 address as the resolver or a socket has it; what is neither is special too. From IANA's
 * registries of special-purpose addresses (RFC 6890) and, of IPv6, all outside of 2000::/3, the global unicast there is.
 */
export function specialAddress(address: string): string | undefined {
  if (isIP(address) === 0) return 'no address';
  // A zone is that of an interface: what it qualifies is never global.
  if (address.includes('%')) return 'an address of one link';
  return KINDS.find(({ ranges }) => ranges.has(address))?.kind ?? beyondUnicast(address);
}

/**
 * A set of addresses and networks. IPv4 and IPv6 are apart: node's BlockList finds every IPv4 address in `::ffff:0:0/96`
 * too, where it stands in one list with that.
 */
export class AddressRanges {
  private readonly v4 = new BlockList();
  private readonly v6 = new BlockList();

  /** `networks` are addresses or networks such as `10.0.0.0/8`, all of them valid: see {@link isNetwork}. */
  constructor(networks: readonly string[]) {
    for (const network of networks) {
      const [address = '', bits] = network.split('/');
      const family = isIPv6(address) ? 'ipv6' : 'ipv4';
      this.list(address).addSubnet(address, Number(bits ?? (family === 'ipv6' ? 128 : 32)), family);
    }
  }

  has(address: string): boolean {
    return this.list(address).check(address, isIPv6(address) ? 'ipv6' : 'ipv4');
  }

  private list(address: string): BlockList {
    return isIPv6(address) ? this.v6 : this.v4;
  }
}

/** Whether `text` is an address, or a network as address/bits. */
export function isNetwork(text: string): boolean {
  const [address = '', bits, ...rest] = text.split('/');
  const family = address.includes('%') ? 0 : isIP(address);
  if (family === 0 || rest.length > 0) return false;
  return bits === undefined || (/^\d{1,3}$/.test(bits) && Number(bits) <= (family === 6 ? 128 : 32));
}

function beyondUnicast(address: string): string | undefined {
  return isIPv6(address) && !GLOBAL_UNICAST.has(address) ? 'a reserved address' : undefined;
}

const GLOBAL_UNICAST = new AddressRanges(['2000::/3']);

/** The first that fits gives its name, so the narrow ones stand before the wide ones that they lie in. */
const KINDS = Object.entries({
  // AWS (instances, containers, pods), Google, Azure and its WireServer, Oracle, Alibaba.
  'the metadata service of a cloud': [
    '169.254.169.254',
    '169.254.170.2',
    '169.254.170.23',
    '168.63.129.16',
    '192.0.0.192',
    '100.100.100.200',
    'fd00:ec2::254',
    'fd00:ec2::23',
    'fd20:ce::254',
  ],
  'a loopback address': ['127.0.0.0/8', '::1'],
  'the unspecified address': ['0.0.0.0', '::'],
  'an address of "this network"': ['0.0.0.0/8'],
  'a private address': ['10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16', 'fc00::/7'],
  'a shared address behind a carrier (CGNAT)': ['100.64.0.0/10'],
  'a link-local address': ['169.254.0.0/16', 'fe80::/10'],
  'a site-local address': ['fec0::/10'],
  'a multicast address': ['224.0.0.0/4', 'ff00::/8'],
  'the broadcast address': ['255.255.255.255'],
  'an address for documentation': ['192.0.2.0/24', '198.51.100.0/24', '203.0.113.0/24', '2001:db8::/32', '3fff::/20'],
  'an address for benchmarks': ['198.18.0.0/15', '2001:2::/48'],
  'an IPv4 address inside of IPv6 (mapped)': ['::ffff:0:0/96'],
  'an IPv4 address inside of IPv6 (translated)': ['::ffff:0:0:0/96'],
  'an IPv4 address inside of IPv6 (compatible)': ['::/96'],
  'an IPv4 address inside of IPv6 (NAT64)': ['64:ff9b::/96', '64:ff9b:1::/48'],
  'an IPv4 address inside of IPv6 (6to4)': ['2002::/16'],
  'an IPv4 address inside of IPv6 (Teredo)': ['2001::/32'],
  'a segment identifier (SRv6)': ['5f00::/16'],
  'a reserved address': ['192.0.0.0/24', '192.88.99.0/24', '240.0.0.0/4', '100::/64', '2001::/23'],
}).map(([kind, networks]) => ({ kind, ranges: new AddressRanges(networks) }));
