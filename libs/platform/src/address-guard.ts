import { isIP } from 'node:net';
import { AllowList, hostOf, type Target } from './allow-list.js';
import { type Config } from './config.js';
import { specialAddress } from './special-address.js';

/** Longest name in DNS, as text (RFC 1035, section 2.3.4). A short URL may have a longer one once it is in Punycode. */
const LONGEST_HOST = 253;

/**
 * Where webhooks may go: to hosts of the public internet, and to those of PERDURE_PUSH_ALLOW. It is asked twice: when a
 * client names a URL, without DNS, and for each address before something connects to it.
 */
export class AddressGuard {
  private readonly allowed: AllowList;

  constructor(private readonly config: Pick<Config, 'pushAllow' | 'pushHttpsOnly'>) {
    this.allowed = new AllowList(config.pushAllow);
  }

  /**
   * What is wrong with the URL of a webhook as far as it can be told without DNS, to be read after the field's name:
   * `names 127.0.0.1, a loopback address`. Undefined where nothing is.
   */
  urlProblem(text: string): string | undefined {
    return formProblem(text) ?? this.hostProblem(new URL(text));
  }

  /** What forbids to send to `target` at an address that it has: a resolved one, or a connected socket's. */
  addressProblem(target: Target, address: string): string | undefined {
    if (this.trustsName(target) || this.allowed.hasAddress(address, target.port)) return undefined;
    const kind = specialAddress(address);
    return kind && `names ${address === target.host ? address : `${target.host} at ${address}`}, ${kind}`;
  }

  /** Whether the operator has listed the host by its name. */
  trustsName(target: Target): boolean {
    return this.allowed.hasName(target);
  }

  private hostProblem(url: URL): string | undefined {
    if (this.config.pushHttpsOnly && url.protocol !== 'https:') return 'does not begin with https://';
    const target = targetOf(url);
    if (target.host.length > LONGEST_HOST) return `names a host of more than ${LONGEST_HOST} characters`;
    if (target.host.endsWith('.')) return 'names a host with a dot at its end';
    return this.literalProblem(target) ?? this.portProblem(target);
  }

  private literalProblem(target: Target): string | undefined {
    if (isIP(target.host) !== 0) return this.addressProblem(target, target.host);
    if (!isLocalhost(target.host)) return undefined;
    const problems = LOCALHOST.map((address) => this.addressProblem(target, address));
    return problems.every(Boolean) ? problems[0] : undefined;
  }

  private portProblem(target: Target): string | undefined {
    if (!BLOCKED_PORTS.has(target.port) || this.trustsName(target)) return undefined;
    const isListed = this.allowed.hasAddress(target.host, target.port);
    return isListed ? undefined : `names port ${target.port}, which is that of another protocol`;
  }
}

/** Host and port of a URL with http or https. */
export function targetOf(url: URL): Target {
  const standard = url.protocol === 'https:' ? 443 : 80;
  return { host: hostOf(url), port: url.port === '' ? standard : Number(url.port) };
}

/** What {@link isLocalhost} names stand for. */
export const LOCALHOST: readonly string[] = ['127.0.0.1', '::1'];

/** Whether a name is that of this machine, whatever a resolver says (RFC 6761 section 6.3). */
export function isLocalhost(name: string): boolean {
  return name === 'localhost' || name.endsWith('.localhost');
}

/** What a parser of URLs would mend in silence, and another one would read differently, is refused. */
function formProblem(text: string): string | undefined {
  if (/[\0-\x20\x7f-\xa0\\]/.test(text)) return 'contains blanks, control characters or backslashes';
  if (!/^https?:\/\/[^/?#]/i.test(text)) return 'is not an absolute URL that begins with https:// or http://';
  if (/^[^/]*\/\/[^/?#]*@/.test(text)) return 'contains a user; credentials belong into the authentication';
  return URL.canParse(text) ? undefined : 'is not a valid URL: its host or port is none';
}

/** Ports of other protocols, which could take a request for words of their own: "port blocking" of the Fetch Standard. */
const BLOCKED_PORTS: ReadonlySet<number> = new Set([
  0, 1, 7, 9, 11, 13, 15, 17, 19, 20, 21, 22, 23, 25, 37, 42, 43, 53, 69, 77, 79, 87, 95, 101, 102, 103, 104, 109, 110,
  111, 113, 115, 117, 119, 123, 135, 137, 139, 143, 161, 179, 389, 427, 465, 512, 513, 514, 515, 526, 530, 531, 532,
  540, 548, 554, 556, 563, 587, 601, 636, 989, 990, 993, 995, 1719, 1720, 1723, 2049, 3659, 4045, 4190, 5060, 5061,
  6000, 6566, 6665, 6666, 6667, 6668, 6669, 6679, 6697, 10080,
]);
