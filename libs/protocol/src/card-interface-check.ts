import { cardError, type CardFinding, cardWarning } from './card-finding.js';
import { objectsOf } from './card-shape.js';
import { elementPath } from './json-path.js';
import { isLoopback } from './loopback.js';

const BINDINGS = ['JSONRPC', 'GRPC', 'HTTP+JSON'];

/** One address of an agent, as either version writes it. */
interface Interface {
  readonly field: string;
  readonly url: unknown;
  readonly binding: unknown;
}

/** What is wrong with `supportedInterfaces` of A2A 1.0 (specification sections 4.4.6, 5.8 and 8.3). */
export function interfaceFindings(supportedInterfaces: unknown): CardFinding[] {
  const entries = objectsOf(supportedInterfaces);
  const seen = new Map<string, string>();
  return entries.flatMap(([entry, index]) => {
    const field = elementPath('supportedInterfaces', index);
    const { url, protocolBinding: binding, protocolVersion, tenant } = entry;
    const repeated = repetition(seen, JSON.stringify([url, binding, protocolVersion, tenant ?? '']), field);
    return [
      ...bindingFindings(binding, `${field}.protocolBinding`),
      ...urlFindings({ field: `${field}.url`, url, binding }),
      ...versionFindings(protocolVersion, `${field}.protocolVersion`),
      ...repeated,
    ];
  });
}

/** What is wrong with `url`, `preferredTransport`, `additionalInterfaces` and `protocolVersion` of A2A 0.3. */
export function legacyInterfaceFindings(card: Readonly<Record<string, unknown>>): CardFinding[] {
  const { url, preferredTransport: binding = 'JSONRPC', additionalInterfaces, protocolVersion } = card;
  const others = objectsOf(additionalInterfaces);
  const isListed = others.some(([entry]) => entry.url === url && entry.transport === binding);
  return [
    ...bindingFindings(binding, 'preferredTransport'),
    ...urlFindings({ field: 'url', url, binding }),
    ...versionFindings(protocolVersion, 'protocolVersion'),
    ...(others.length > 0 && !isListed
      ? [cardWarning('additionalInterfaces', 'should list the main url with its transport too')]
      : []),
    ...others.flatMap(([entry, index]) => {
      const field = elementPath('additionalInterfaces', index);
      return [
        ...bindingFindings(entry.transport, `${field}.transport`),
        ...urlFindings({ field: `${field}.url`, url: entry.url, binding: entry.transport }),
      ];
    }),
  ];
}

function repetition(seen: Map<string, string>, key: string, field: string): CardFinding[] {
  const first = seen.get(key);
  seen.set(key, first ?? field);
  return first === undefined ? [] : [cardWarning(field, `says the same as ${first}`)];
}

function bindingFindings(binding: unknown, field: string): CardFinding[] {
  if (typeof binding !== 'string' || binding === '' || BINDINGS.includes(binding)) return [];
  const meant = BINDINGS.find((known) => letters(known) === letters(binding));
  if (meant) return [cardError(field, `must be written ${meant}`)];
  if (URL.canParse(binding)) return [];
  return [cardWarning(field, `is none of ${BINDINGS.join(', ')}, and a custom binding should be named by a URI`)];
}

/** `json-rpc`, `JsonRpc` and `JSONRPC` mean the same. */
function letters(binding: string): string {
  return binding.toUpperCase().replace(/[^A-Z]/g, '');
}

function versionFindings(version: unknown, field: string): CardFinding[] {
  if (typeof version !== 'string' || version === '') return [];
  if (!/^\d+\.\d+(\.\d+)?$/.test(version)) return [cardError(field, 'must be Major.Minor, such as 1.0')];
  const isPatch = /^\d+\.\d+\./.test(version) && !version.startsWith('0.');
  return isPatch ? [cardWarning(field, 'should be Major.Minor: a patch number says nothing to clients')] : [];
}

function urlFindings({ field, url, binding }: Interface): CardFinding[] {
  if (typeof url !== 'string' || url === '') return [];
  return binding === 'GRPC' ? targetFindings(field, url) : httpFindings(field, url);
}

function targetFindings(field: string, url: string): CardFinding[] {
  if (/^https?:\/\//i.test(url)) {
    return [cardWarning(field, 'has a scheme: most clients hand it to gRPC as it is, which wants host:port')];
  }
  const isTarget = /^(dns:(\/\/[^/]*\/)?)?(\[[0-9a-f:.]+\]|[^\s:/[\]]+):\d{1,5}$/i.test(url);
  return isTarget ? [] : [cardError(field, 'must be host:port, such as agent.example.com:443')];
}

function httpFindings(field: string, url: string): CardFinding[] {
  if (!URL.canParse(url)) return [cardError(field, 'must be an absolute URL')];
  const { protocol, hostname, username, password, hash } = new URL(url);
  if (protocol !== 'https:' && protocol !== 'http:') return [cardError(field, 'must start with https://')];
  return [
    ...(protocol === 'http:' && !isLoopback(hostname)
      ? [cardWarning(field, 'is not encrypted: production needs https://')]
      : []),
    ...(username || password ? [cardError(field, 'must not contain credentials')] : []),
    ...(hash ? [cardWarning(field, 'has a fragment, which is never sent')] : []),
  ];
}
