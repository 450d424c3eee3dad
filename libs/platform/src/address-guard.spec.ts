import { describe, expect, it } from 'vitest';
import { AddressGuard } from './address-guard.js';
import { loadConfig } from './config.js';

const guard = guardOf({});

describe('the URL of a webhook', () => {
  it.each([
    'https://example.com/hook?task=1',
    'http://example.com',
    'HTTPS://EXAMPLE.COM/',
    'https://example.com:8443/',
    'http://example.com:8080/',
    'https://bücher.example/ä',
    'https://8.8.8.8/',
    'https://134744072/',
    'https://[2606:4700::1111]:8443/',
    'https://localhost.example.com/',
    'https://notlocalhost/',
    'https://example.com/?to=http://user@127.0.0.1/',
  ])('may be %s', (url) => expect(guard.urlProblem(url)).toBeUndefined());

  it.each([
    ['http://127.0.0.1/', 'names 127.0.0.1, a loopback address'],
    ['http://127.8.7.6:8080/', 'names 127.8.7.6, a loopback address'],
    ['http://127.1/', 'names 127.0.0.1, a loopback address'],
    ['http://127.0.0.1./', 'names 127.0.0.1, a loopback address'],
    ['http://2130706433/', 'names 127.0.0.1, a loopback address'],
    ['http://0x7f000001/', 'names 127.0.0.1, a loopback address'],
    ['http://0x7f.1/', 'names 127.0.0.1, a loopback address'],
    ['http://0177.0.0.1/', 'names 127.0.0.1, a loopback address'],
    ['http://017700000001/', 'names 127.0.0.1, a loopback address'],
    ['http://%31%32%37.0.0.1/', 'names 127.0.0.1, a loopback address'],
    ['http://①②⑦.0.0.1/', 'names 127.0.0.1, a loopback address'],
    ['http://127。0。0。1/', 'names 127.0.0.1, a loopback address'],
    ['http://0/', 'names 0.0.0.0, the unspecified address'],
    ['http://2852039166/', 'names 169.254.169.254, the metadata service of a cloud'],
    ['http://0xa9.0xfe.0xa9.0xfe/latest/', 'names 169.254.169.254, the metadata service of a cloud'],
    ['http://0300.0250.0.1/', 'names 192.168.0.1, a private address'],
    ['http://[::1]/', 'names ::1, a loopback address'],
    ['http://[0:0:0:0:0:0:0:1]/', 'names ::1, a loopback address'],
    ['http://[::]/', 'names ::, the unspecified address'],
    ['http://[::ffff:127.0.0.1]/', 'names ::ffff:7f00:1, an IPv4 address inside of IPv6 (mapped)'],
    ['http://[::127.0.0.1]/', 'names ::7f00:1, an IPv4 address inside of IPv6 (compatible)'],
    ['http://[64:ff9b::10.0.0.1]/', 'names 64:ff9b::a00:1, an IPv4 address inside of IPv6 (NAT64)'],
    ['http://[2002:7f00:1::]/', 'names 2002:7f00:1::, an IPv4 address inside of IPv6 (6to4)'],
    ['http://[fd00::1]/', 'names fd00::1, a private address'],
    ['http://[fe80::1]/', 'names fe80::1, a link-local address'],
    ['http://[fe80::1%25eth0]/', 'is not a valid URL: its host or port is none'],
    ['http://[fe80::1%eth0]/', 'is not a valid URL: its host or port is none'],
    ['http://localhost/', 'names localhost at 127.0.0.1, a loopback address'],
    ['http://LocalHost:8080/', 'names localhost at 127.0.0.1, a loopback address'],
    ['http://hook.localhost/', 'names hook.localhost at 127.0.0.1, a loopback address'],
    ['http://ⓛocalhost/', 'names localhost at 127.0.0.1, a loopback address'],
    [`http://${'文.'.repeat(1_000)}example/`, 'names a host of more than 253 characters'],
    ['http://localhost./', 'names a host with a dot at its end'],
    ['http://example.com./', 'names a host with a dot at its end'],
    ['http://1.1.1.256/', 'is not a valid URL: its host or port is none'],
    ['http://example.com:99999/', 'is not a valid URL: its host or port is none'],
    ['http://example.com:80:80/', 'is not a valid URL: its host or port is none'],
    ['http://exa mple.com/', 'contains blanks, control characters or backslashes'],
    ['http://exa%00mple.com/', 'is not a valid URL: its host or port is none'],
    ['http://example.com:0/', 'names port 0, which is that of another protocol'],
    ['http://example.com:25/', 'names port 25, which is that of another protocol'],
    ['https://8.8.8.8:53/', 'names port 53, which is that of another protocol'],
    ['http://127.0.0.1@example.com/', 'contains a user; credentials belong into the authentication'],
    ['http://example.com@127.0.0.1/', 'contains a user; credentials belong into the authentication'],
    ['http://example.com:pass@127.0.0.1/', 'contains a user; credentials belong into the authentication'],
    ['http://@127.0.0.1/', 'contains a user; credentials belong into the authentication'],
    ['http://127.0.0.1%2f@example.com/', 'contains a user; credentials belong into the authentication'],
    ['http://example.com\\@127.0.0.1/', 'contains blanks, control characters or backslashes'],
    ['http:\\\\127.0.0.1/', 'contains blanks, control characters or backslashes'],
    ['http://exam\tple.com/', 'contains blanks, control characters or backslashes'],
    ['http://example.com/\r\nX-Evil: 1', 'contains blanks, control characters or backslashes'],
    ['http://example.com/\0', 'contains blanks, control characters or backslashes'],
    [' http://example.com/', 'contains blanks, control characters or backslashes'],
    ['http://example.com/\u00a0', 'contains blanks, control characters or backslashes'],
    ['http:127.0.0.1/', 'is not an absolute URL that begins with https:// or http://'],
    ['http:/127.0.0.1/', 'is not an absolute URL that begins with https:// or http://'],
    ['http:///127.0.0.1/', 'is not an absolute URL that begins with https:// or http://'],
    ['//127.0.0.1/', 'is not an absolute URL that begins with https:// or http://'],
    ['ftp://example.com/', 'is not an absolute URL that begins with https:// or http://'],
    ['file:///etc/passwd', 'is not an absolute URL that begins with https:// or http://'],
    ['gopher://127.0.0.1:6379/_', 'is not an absolute URL that begins with https:// or http://'],
    ['javascript:alert(1)', 'is not an absolute URL that begins with https:// or http://'],
    ['data:,x', 'is not an absolute URL that begins with https:// or http://'],
    ['example.com/hook', 'is not an absolute URL that begins with https:// or http://'],
    ['not a url', 'contains blanks, control characters or backslashes'],
    ['https://', 'is not an absolute URL that begins with https:// or http://'],
    ['', 'is not an absolute URL that begins with https:// or http://'],
  ])('is not %j: it %s', (url, problem) => expect(guard.urlProblem(url)).toBe(problem));

  it('begins with https:// where nothing else is allowed, whatever its host', () => {
    const strict = guardOf({ PERDURE_PUSH_HTTPS_ONLY: 'true', PERDURE_PUSH_ALLOW: 'lab' });
    expect(strict.urlProblem('http://example.com/')).toBe('does not begin with https://');
    expect(strict.urlProblem('http://lab/')).toBe('does not begin with https://');
    expect(strict.urlProblem('https://example.com/')).toBeUndefined();
  });
});

describe('the address of a name', () => {
  it('is told with the name that has it', () => {
    const target = { host: 'hook.example', port: 443 };
    expect(guard.addressProblem(target, '10.0.0.1')).toBe('names hook.example at 10.0.0.1, a private address');
    expect(guard.addressProblem(target, '93.184.215.14')).toBeUndefined();
    expect(guard.addressProblem(target, 'fe80::1%eth0')).toBe(
      'names hook.example at fe80::1%eth0, an address of one link',
    );
    expect(guard.addressProblem(target, '')).toBe('names hook.example at , no address');
  });
});

describe('PERDURE_PUSH_ALLOW', () => {
  it('trusts a name at any port, or at one, whatever its address', () => {
    const lab = guardOf({ PERDURE_PUSH_ALLOW: 'Receiver, ci.lab:8080' });
    expect(lab.addressProblem({ host: 'receiver', port: 1 }, '127.0.0.1')).toBeUndefined();
    expect(lab.addressProblem({ host: 'ci.lab', port: 8080 }, '10.0.0.1')).toBeUndefined();
    expect(lab.addressProblem({ host: 'ci.lab', port: 80 }, '10.0.0.1')).toContain('a private address');
    expect(lab.addressProblem({ host: 'a.receiver', port: 1 }, '127.0.0.1')).toContain('a loopback address');
    expect(lab.addressProblem({ host: 'evilreceiver', port: 1 }, '127.0.0.1')).toContain('a loopback address');
    expect(lab.urlProblem('http://RECEIVER:25/')).toBeUndefined();
  });

  it('opens addresses and networks, each for itself', () => {
    const lab = guardOf({ PERDURE_PUSH_ALLOW: '10.1.0.0/16,127.0.0.1:9000,[::1]:9000,fd00::/8,192.168.0.9' });
    for (const url of ['http://10.1.2.3/', 'http://127.0.0.1:9000/', 'http://[::1]:9000/', 'http://[fd12::1]:25/']) {
      expect(lab.urlProblem(url)).toBeUndefined();
    }
    for (const url of ['http://10.2.0.1/', 'http://127.0.0.1:9001/', 'http://127.0.0.2:9000/', 'http://192.168.0.8/']) {
      expect(lab.urlProblem(url)).toMatch(/^names .*, a (private|loopback) address$/);
    }
    expect(lab.addressProblem({ host: 'any.example', port: 80 }, '10.1.2.3')).toBeUndefined();
    expect(lab.urlProblem('http://[::ffff:10.1.2.3]/')).toContain('inside of IPv6');
  });

  it('opens localhost by its name, or by one of its addresses', () => {
    expect(guardOf({ PERDURE_PUSH_ALLOW: 'localhost' }).urlProblem('http://localhost:3000/')).toBeUndefined();
    expect(guardOf({ PERDURE_PUSH_ALLOW: 'localhost:3000' }).urlProblem('http://localhost:3000/')).toBeUndefined();
    expect(guardOf({ PERDURE_PUSH_ALLOW: 'localhost:3000' }).urlProblem('http://localhost:3001/')).toContain(
      'loopback',
    );
    expect(guardOf({ PERDURE_PUSH_ALLOW: '127.0.0.0/8' }).urlProblem('http://localhost:3000/')).toBeUndefined();
    expect(guardOf({ PERDURE_PUSH_ALLOW: '::1' }).urlProblem('http://localhost:3000/')).toBeUndefined();
    expect(guardOf({ PERDURE_PUSH_ALLOW: 'localhost' }).urlProblem('http://127.0.0.1:3000/')).toContain('loopback');
  });

  it('takes an address in any of its forms', () => {
    expect(guardOf({ PERDURE_PUSH_ALLOW: '0x7f.1:80' }).urlProblem('http://127.0.0.1/')).toBeUndefined();
    expect(guardOf({ PERDURE_PUSH_ALLOW: '0:0:0:0:0:0:0:1' }).urlProblem('http://[::1]/')).toBeUndefined();
  });

  it('opens everything where it is told so', () => {
    const open = guardOf({ PERDURE_PUSH_ALLOW: '0.0.0.0/0,::/0' });
    for (const url of ['http://127.0.0.1/', 'http://[::1]/', 'http://169.254.169.254/', 'http://[::ffff:127.0.0.1]/']) {
      expect(open.urlProblem(url)).toBeUndefined();
    }
  });

  it.each(['http://lab', 'lab/hook', 'user@lab', '10.0.0.0/33', '10.0.0.1:99999', '1.2.3.256', 'a b', '[::1', '*.lab'])(
    'is refused at the start with %s',
    (entry) => {
      const wanted = 'want host, host:port, an address or a network as address/bits';
      expect(() => guardOf({ PERDURE_PUSH_ALLOW: `lab,${entry}` })).toThrow(`PERDURE_PUSH_ALLOW=${entry}: ${wanted}`);
    },
  );
});

describe('PERDURE_PUSH_PROXY', () => {
  it('keeps its password out of the report of a wrong one', () => {
    expect(() => loadConfig({ PERDURE_PUSH_PROXY: 'socks5://me:hunter2@proxy' })).toThrow(
      'PERDURE_PUSH_PROXY=(hidden): want a URL that starts with http:// or https://',
    );
  });
});

function guardOf(variables: Record<string, string>): AddressGuard {
  return new AddressGuard(loadConfig(variables));
}
