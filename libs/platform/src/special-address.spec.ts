import { describe, expect, it } from 'vitest';
import { isNetwork, specialAddress } from './special-address.js';

const SPECIAL: readonly (readonly [kind: string, ...addresses: string[]])[] = [
  ['the metadata service of a cloud', '169.254.169.254', '169.254.170.2', '168.63.129.16', '192.0.0.192'],
  ['the metadata service of a cloud', '100.100.100.200', 'fd00:ec2::254', 'fd00:0ec2:0::0254', 'fd20:ce::254'],
  ['a loopback address', '127.0.0.1', '127.255.255.255', '::1', '0:0:0:0:0:0:0:1'],
  ['the unspecified address', '0.0.0.0', '::'],
  ['an address of "this network"', '0.0.0.1', '0.255.255.255'],
  ['a private address', '10.0.0.0', '10.255.255.255', '172.16.0.1', '172.31.255.255', '192.168.0.1', '192.168.255.255'],
  ['a private address', 'fc00::1', 'fd12:3456::1', 'fdff:ffff::1'],
  ['a shared address behind a carrier (CGNAT)', '100.64.0.0', '100.127.255.255'],
  ['a link-local address', '169.254.0.1', '169.254.255.255', 'fe80::1', 'febf::1'],
  ['an address of one link', 'fe80::1%eth0', '2606:4700::1%1'],
  ['a site-local address', 'fec0::1', 'feff::1'],
  ['a multicast address', '224.0.0.1', '239.255.255.255', 'ff02::1', 'ff0e::1'],
  ['the broadcast address', '255.255.255.255'],
  ['an address for documentation', '192.0.2.1', '198.51.100.1', '203.0.113.255', '2001:db8::1', '3fff:fff::1'],
  ['an address for benchmarks', '198.18.0.1', '198.19.255.255', '2001:2::1'],
  ['an IPv4 address inside of IPv6 (mapped)', '::ffff:127.0.0.1', '::ffff:7f00:1', '::ffff:8.8.8.8'],
  ['an IPv4 address inside of IPv6 (translated)', '::ffff:0:127.0.0.1', '::ffff:0:808:808'],
  ['an IPv4 address inside of IPv6 (compatible)', '::127.0.0.1', '::7f00:1', '::2'],
  ['an IPv4 address inside of IPv6 (NAT64)', '64:ff9b::127.0.0.1', '64:ff9b::a00:1', '64:ff9b:1::a00:1'],
  ['an IPv4 address inside of IPv6 (6to4)', '2002:7f00:1::', '2002:a00:1::1', '2002:ffff:ffff::1'],
  ['an IPv4 address inside of IPv6 (Teredo)', '2001::1', '2001:0:53aa:64c:0:3f57:80ff:fffe'],
  ['a segment identifier (SRv6)', '5f00::1', '5f00:ffff::1'],
  [
    'a reserved address',
    '240.0.0.1',
    '255.255.255.254',
    '192.0.0.1',
    '192.88.99.1',
    '100::1',
    '2001:10::1',
    '2001:1ff::1',
  ],
  ['a reserved address', '1::1', '1fff::1', '4000::1', 'e000::1', 'fe00::1', '64:ff9c::1'],
  ['no address', '', 'localhost', '127.1', '2130706433', '0x7f.0.0.1', '127.0.0.1.', '[::1]'],
];

const PUBLIC = [
  ...[
    '1.1.1.1',
    '8.8.8.8',
    '9.255.255.255',
    '11.0.0.0',
    '100.63.255.255',
    '100.128.0.0',
    '126.255.255.255',
    '128.0.0.0',
  ],
  ...['169.253.255.255', '169.255.0.0', '172.15.255.255', '172.32.0.0', '192.0.1.0', '192.167.255.255', '192.169.0.0'],
  ...['198.17.255.255', '198.20.0.0', '203.0.112.255', '203.0.114.0', '223.255.255.255'],
  ...['2000::1', '2001:200::1', '2001:4860:4860::8888', '2003::1', '2606:4700::1111', '2a00::1', '3ffe::1'],
];

describe('specialAddress', () => {
  it.each(SPECIAL.flatMap(([kind, ...addresses]) => addresses.map((address) => [address, kind] as const)))(
    '%s is %s',
    (address, kind) => expect(specialAddress(address)).toBe(kind),
  );

  it.each(PUBLIC)('%s is one of the public internet', (address) => expect(specialAddress(address)).toBeUndefined());
});

describe('isNetwork', () => {
  it.each(['10.0.0.0/8', '10.1.2.3', '0.0.0.0/0', '::/0', 'fd00::/8', '::1', '::ffff:0:0/96'])('takes %s', (text) => {
    expect(isNetwork(text)).toBe(true);
  });

  it.each([
    '',
    '10.0.0.0/33',
    '10.0.0.0/',
    '10.0.0.0/8/8',
    '::/129',
    '10/8',
    'fe80::1%eth0',
    'a.example/8',
    '1.1.1.1/-1',
  ])('refuses %j', (text) => expect(isNetwork(text)).toBe(false));
});
