import { join } from 'node:path';
import { expect, vi } from 'vitest';
import { packageRoot } from '#platform';
import { freePort } from './free-port.js';
import { fetchAnswer } from './json-rpc.js';
import { PerdureProcess } from './perdure-process.js';

const PATIENCE = { timeout: 20_000, interval: 50 };

/** Ports of a server on this machine. */
export interface ServerPorts {
  readonly http: number;
  readonly grpc: number;
}

/** HAProxy with the configuration of docker-compose.yml, before two servers of this machine. */
export class HaProxy {
  private constructor(
    private readonly haproxy: PerdureProcess,
    /** Base URL of JSON-RPC and HTTP+JSON. */
    readonly url: string,
    /** `host:port` of gRPC. */
    readonly grpc: string,
  ) {}

  /** Resolves when it answers for a server that is ready. */
  static async start(program: string, [one, two]: readonly [ServerPorts, ServerPorts]): Promise<HaProxy> {
    const [http, grpc] = [await freePort(), await freePort()].map((port) => `127.0.0.1:${port}`) as [string, string];
    const haproxy = new PerdureProcess(['-db', '-f', join(packageRoot(), 'deploy/haproxy/haproxy.cfg')], {
      command: program,
      env: {
        HTTP_BIND: http,
        GRPC_BIND: grpc,
        SERVER_1_HTTP: `127.0.0.1:${one.http}`,
        SERVER_1_GRPC: `127.0.0.1:${one.grpc}`,
        SERVER_2_HTTP: `127.0.0.1:${two.http}`,
        SERVER_2_GRPC: `127.0.0.1:${two.grpc}`,
      },
    });
    const proxy = new HaProxy(haproxy, `http://${http}`, grpc);
    await vi.waitFor(() => proxy.expectReady(), PATIENCE);
    return proxy;
  }

  /** Rejects where no server is ready. */
  private async expectReady(): Promise<void> {
    expect(await fetchAnswer(`${this.url}/health/ready`)).toMatchObject({ status: 200 });
  }

  /** Resolves when `act` is done and the proxy has logged, since it began, what became of its servers. */
  async logs(pattern: RegExp, act: () => unknown): Promise<void> {
    const before = this.haproxy.output.length;
    await act();
    await this.haproxy.shows(pattern, before);
  }

  async stop(): Promise<void> {
    await this.haproxy.dispose();
  }
}
