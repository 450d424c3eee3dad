import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { vi } from 'vitest';
import { freePort } from './free-port.js';
import { PerdureProcess } from './perdure-process.js';

const PATIENCE = { timeout: 20_000, interval: 50 };

/** PgBouncer in transaction mode before a Postgres, with two sessions for all who come. */
export class PgBouncer {
  private constructor(
    private readonly pgbouncer: PerdureProcess,
    private readonly folder: string,
    /** URL of the database, through the pooler. */
    readonly url: string,
  ) {}

  static async start(program: string, databaseUrl: string): Promise<PgBouncer> {
    const { hostname, port, username, password } = new URL(databaseUrl);
    const folder = mkdtempSync(join(tmpdir(), 'perdure-pgbouncer-'));
    const file = join(folder, 'pgbouncer.ini');
    const listenPort = await freePort();
    const lines = [
      '[databases]',
      `* = host=${hostname} port=${port} user=${decodeURIComponent(username)} password=${decodeURIComponent(password)}`,
      '[pgbouncer]',
      `listen_addr = 127.0.0.1\nlisten_port = ${listenPort}\nunix_socket_dir =`,
      'auth_type = any\npool_mode = transaction\ndefault_pool_size = 2\nmax_client_conn = 100',
    ];
    writeFileSync(file, lines.join('\n'));
    // It refuses to be root.
    const isRoot = process.getuid!() === 0;
    chmodSync(folder, 0o755);
    const pgbouncer = new PerdureProcess([...(isRoot ? ['-u', 'nobody'] : []), file], { command: program });
    const url = Object.assign(new URL(databaseUrl), { hostname: '127.0.0.1', port: String(listenPort) });
    const pooler = new PgBouncer(pgbouncer, folder, url.href);
    await vi.waitFor(() => pooler.transactions(), PATIENCE);
    return pooler;
  }

  /** How many transactions have gone through it to the database. */
  async transactions(): Promise<number> {
    const url = new URL(this.url);
    const database = url.pathname.slice(1);
    const client = new pg.Client(Object.assign(url, { pathname: '/pgbouncer' }).href);
    await client.connect();
    try {
      const { rows } = await client.query<{ database: string; total_xact_count: string }>('show stats');
      return Number(rows.find((row) => row.database === database)?.total_xact_count ?? 0);
    } finally {
      await client.end();
    }
  }

  async stop(): Promise<void> {
    await this.pgbouncer.dispose();
    rmSync(this.folder, { recursive: true, force: true });
  }
}
