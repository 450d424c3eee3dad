import { lookup, Resolver } from 'node:dns/promises';

/** Gives the addresses of a name, at least one; throws where it has none. */
export type Resolve = (name: string) => Promise<readonly string[]>;

/** How long one family of addresses waits for the other, as in RFC 8305 section 3. */
const RESOLUTION_DELAY_MS = 50;
/** A name with more is answered with these: each is one to connect to. */
const MOST_PER_FAMILY = 4;

/**
 * Asks DNS alone, and the name as it is: neither the hosts file nor search domains, which lead to neighbours. It takes no
 * thread of libuv's pool, so that names whose servers are silent hold up nobody. `servers` are those of the machine unless
 * given.
 */
export function dnsResolver(timeoutMs: number, servers?: readonly string[]): Resolve {
  return async (name) => {
    const resolver = new Resolver({ timeout: Math.ceil(timeoutMs / 2), tries: 2 });
    if (servers) resolver.setServers(servers);
    const timers = [setTimeout(() => resolver.cancel(), timeoutMs)];
    const found = (addresses: string[]) => {
      timers.push(setTimeout(() => resolver.cancel(), RESOLUTION_DELAY_MS));
      return addresses.slice(0, MOST_PER_FAMILY);
    };
    const answers = await Promise.allSettled([
      resolver.resolve4(name).then(found),
      resolver.resolve6(name).then(found),
    ]);
    timers.forEach(clearTimeout);
    const addresses = answers.flatMap((answer) => (answer.status === 'fulfilled' ? answer.value : []));
    if (addresses.length === 0) throw answers.find((answer) => answer.status === 'rejected')?.reason;
    return addresses;
  };
}

/** Asks as every program on this machine does, by hosts file and search domains too: for names that the operator lists. */
export async function systemAddresses(name: string): Promise<readonly string[]> {
  const found = await lookup(name, { all: true });
  return found.map(({ address }) => address);
}
