import { expect, it } from 'vitest';
import { peerName } from './peer-name.js';

it('tells an agent of this server from the address of another one', () => {
  expect(peerName('research_2')).toEqual({ name: 'research_2', isLocal: true });
  expect(peerName('https://Peer.example/agents/a')).toEqual({ name: 'https://peer.example/agents/a', isLocal: false });
});

it.each([
  undefined,
  7,
  '',
  'no agent',
  'ftp://peer.example',
  'file:///etc/passwd',
  '//peer',
  `http://${'x'.repeat(2_000)}`,
])('refuses %s', (peer) => {
  expect(() => peerName(peer)).toThrow(/neither the id of an agent here nor an http\(s\) URL/);
});

it('refuses credentials in a URL, without repeating them', () => {
  expect(() => peerName('https://me:secret@peer.example')).toThrow(/^(?!.*secret).*user name or password/);
});
