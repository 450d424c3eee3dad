import { once } from 'node:events';
import { connect, isIP, type LookupFunction, type Socket } from 'node:net';
import { type ConnectionOptions } from 'node:tls';
import { buildConnector } from 'undici';
import { type AddressGuard, isLocalhost, LOCALHOST, type Target } from '#platform';
import { type Resolve, systemAddresses } from './host-addresses.js';
import { SendError } from './send-error.js';

/** How long one address of several is tried alone before the next one is tried. */
const NEXT_ADDRESS_MS = 1_000;

type Options = buildConnector.Options;

/**
 * Opens the connections of webhooks. What a name resolves to is checked and then used: there is one look-up a connection,
 * so no later answer counts. The connected socket's address is checked again, before TLS or a byte of ours. Fails with a
 * SendError.
 */
export class GuardedConnector {
  private readonly secure: buildConnector.connector;

  /** `tls` are options for the connections with TLS; the time bounds the look-up, the connection and TLS, each. */
  constructor(
    private readonly guard: AddressGuard,
    private readonly resolve: Resolve,
    private readonly timeoutMs: number,
    tls: ConnectionOptions = {},
  ) {
    this.secure = buildConnector({ ...tls, timeout: timeoutMs });
  }

  /** What undici's dispatchers call for a connection. */
  readonly connect: buildConnector.connector = (options, callback) => {
    this.open(options).then(
      (socket) => callback(null, socket),
      (error: Error) => callback(error, null),
    );
  };

  private async open(options: Options): Promise<Socket> {
    const isSecure = options.protocol === 'https:';
    const target = { host: options.hostname, port: Number(options.port) || (isSecure ? 443 : 80) };
    const socket = await this.dial(target, await this.addressesOf(target));
    this.assertPeer(target, socket);
    return isSecure ? this.secured({ ...options, httpSocket: socket }) : socket;
  }

  private async addressesOf(target: Target): Promise<readonly string[]> {
    const found = await this.resolved(target);
    const problems = found.map((address) => this.guard.addressProblem(target, address));
    const usable = found.filter((_address, index) => problems[index] === undefined);
    if (usable.length === 0) throw new SendError('refused_address', `the URL ${problems[0]}`);
    return usable;
  }

  private async resolved(target: Target): Promise<readonly string[]> {
    const { host } = target;
    if (isIP(host) !== 0) return [host];
    if (isLocalhost(host)) return LOCALHOST;
    try {
      return await (this.guard.trustsName(target) ? systemAddresses(host) : this.resolve(host));
    } catch (cause) {
      const { code = 'unknown' } = cause as { code?: string };
      throw new SendError('dns', `${host} has no address (${code})`, { cause });
    }
  }

  private async dial(target: Target, addresses: readonly string[]): Promise<Socket> {
    const checked = addresses.map((address) => ({ address, family: isIP(address) }));
    const pinned: LookupFunction = (_name, _options, done) => done(null, checked);
    const socket = connect({
      ...target,
      lookup: pinned,
      autoSelectFamily: true,
      autoSelectFamilyAttemptTimeout: NEXT_ADDRESS_MS,
      noDelay: true,
      keepAlive: true,
    });
    const late = new SendError('timeout', `no connection to ${named(target)} within ${this.timeoutMs} ms`);
    const timer = setTimeout(() => socket.destroy(late), this.timeoutMs);
    try {
      await once(socket, 'connect');
      return socket;
    } catch (cause) {
      if (cause instanceof SendError) throw cause;
      throw new SendError('connect', `no connection to ${named(target)} (${codeOf(cause)})`, { cause });
    } finally {
      clearTimeout(timer);
    }
  }

  private assertPeer(target: Target, socket: Socket): void {
    const { remoteAddress } = socket;
    const problem = remoteAddress && this.guard.addressProblem(target, remoteAddress);
    if (remoteAddress && !problem) return;
    socket.destroy();
    if (problem) throw new SendError('refused_address', `the URL ${problem}`);
    throw new SendError('closed', `${named(target)} closed the connection at once`);
  }

  private secured(options: Options): Promise<Socket> {
    return new Promise((done, fail) => {
      this.secure(options, (cause, socket) => {
        if (socket) return done(socket);
        const isLate = codeOf(cause) === 'UND_ERR_CONNECT_TIMEOUT';
        const fact = isLate ? `no TLS within ${this.timeoutMs} ms` : `no TLS: ${cause?.message}`;
        fail(new SendError(isLate ? 'timeout' : 'tls', fact, { cause }));
      });
    });
  }
}

function named({ host, port }: Target): string {
  return isIP(host) === 6 ? `[${host}]:${port}` : `${host}:${port}`;
}

function codeOf(error: unknown): string {
  return (error as { code?: string }).code ?? 'unknown';
}
