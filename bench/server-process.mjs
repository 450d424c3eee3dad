import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { cpuMicroseconds, residentMebibytes } from './process-usage.mjs';

const START_LIMIT_MS = 30_000;
/** What a server answers when it is ready, unless told otherwise. */
const CARD = '/agents/echo/.well-known/agent-card.json';
const here = (path) => fileURLToPath(new URL(path, import.meta.url));

/** The servers that can be measured, by name: the arguments of node, and the environment besides PORT and GRPC_PORT. */
const PROGRAMS = {
  perdure: {
    args: [here('../dist/apps/cli/src/main.js'), 'serve', here('../examples/agents/echo'), here('agents')],
    env: { PERDURE_LOG_LEVEL: 'warn' },
  },
  sdk: { args: [here('yardstick-server.mjs')], env: {} },
};

/** A server under measurement, in a process of its own. */
export class ServerProcess {
  #process;
  #output = '';

  /**
   * Starts the program with the database, if one is given, and with further `settings` in its environment. Resolves when
   * it answers at the path `probe`; rejects with what it said.
   */
  static async start(program, { databaseUrl, nodeArgs = [], settings = {}, probe = CARD } = {}) {
    const [port, grpcPort] = await freePorts(2);
    const { NODE_ENV: _unset, DATABASE_URL: _other, ...inherited } = process.env;
    const env = {
      ...inherited,
      ...PROGRAMS[program].env,
      ...settings,
      PORT: String(port),
      GRPC_PORT: String(grpcPort),
    };
    if (databaseUrl) env.DATABASE_URL = databaseUrl;
    const child = spawn(process.execPath, [...nodeArgs, ...PROGRAMS[program].args], {
      env,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const server = new ServerProcess(program, { port, grpcPort }, child);
    await server.#answers(probe);
    return server;
  }

  constructor(program, { port, grpcPort }, child) {
    this.program = program;
    this.port = port;
    this.grpcPort = grpcPort;
    this.#process = child;
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (text) => (this.#output += text));
  }

  get cpuMicroseconds() {
    return cpuMicroseconds(this.#process.pid);
  }

  get residentMebibytes() {
    return residentMebibytes(this.#process.pid);
  }

  /** The warnings and errors it has logged as JSON lines. */
  get complaints() {
    return this.#output.split('\n').filter((line) => /"level":"(warn|error|fatal)"/.test(line));
  }

  /** Its process id. */
  get pid() {
    return this.#process.pid;
  }

  /** SIGTERM; resolves when the process has ended. */
  stop() {
    return this.#end('SIGTERM');
  }

  /** SIGKILL, likewise. */
  kill() {
    return this.#end('SIGKILL');
  }

  async #end(signal) {
    if (this.#process.exitCode !== null || this.#process.signalCode !== null) return;
    const ended = once(this.#process, 'exit');
    this.#process.kill(signal);
    await ended;
  }

  async #answers(probe) {
    const url = `http://127.0.0.1:${this.port}${probe}`;
    for (const limit = Date.now() + START_LIMIT_MS; Date.now() < limit; await delay(20)) {
      if (this.#process.exitCode !== null) break;
      const response = await fetch(url).catch(() => undefined);
      if (response?.ok) return;
    }
    await this.stop();
    throw new Error(`${this.program} does not start:\n${this.#output.slice(-2_000)}`);
  }
}

/** All held until the last one is known: one that is given back may come again. */
async function freePorts(count) {
  const servers = Array.from({ length: count }, () => createServer().listen(0, '127.0.0.1'));
  await Promise.all(servers.map((server) => once(server, 'listening')));
  const ports = servers.map((server) => server.address().port);
  await Promise.all(servers.map((server) => once(server.close(), 'close')));
  return ports;
}
