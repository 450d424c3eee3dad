import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { connect } from 'node:net';
import { freePort } from './free-port.js';

/** A `redis-server` of this machine as a child process, without anything on disk; it may be killed and started again. */
export class RedisServer {
  private child: ChildProcess | undefined;

  private constructor(private readonly port: number) {
    // It would not notice that we are gone.
    process.once('exit', () => this.child?.kill('SIGKILL'));
  }

  /** Whether one is on the path. */
  static async isInstalled(): Promise<boolean> {
    const probe = spawn('redis-server', ['--version'], { stdio: 'ignore' });
    return new Promise((resolve) => {
      probe.once('error', () => resolve(false));
      probe.once('exit', (code) => resolve(code === 0));
    });
  }

  /** Resolves when it takes connections. */
  static async start(): Promise<RedisServer> {
    const server = new RedisServer(await freePort());
    await server.restart();
    return server;
  }

  get url(): string {
    return `redis://127.0.0.1:${this.port}`;
  }

  /** Starts it, empty, where it was killed or has never run. Resolves when it takes connections, or is killed before. */
  async restart(): Promise<void> {
    const args = ['--port', String(this.port), '--bind', '127.0.0.1', '--save', '', '--appendonly', 'no'];
    const child = spawn('redis-server', args, { stdio: ['ignore', 'pipe', 'inherit'] });
    this.child = child;
    let output = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => (output += text));
    const ended = once(child, 'exit');
    while (!output.includes('Ready to accept connections')) {
      await Promise.race([once(child.stdout, 'data'), ended]);
      if (child.killed) return;
      if (child.exitCode !== null) throw new Error(`redis-server has ended:\n${output}`);
    }
  }

  /** FLUSHALL: everything that it holds is gone. */
  async flush(): Promise<void> {
    const socket = connect(this.port, '127.0.0.1');
    try {
      socket.write('FLUSHALL\r\n');
      // Where it is killed meanwhile, the connection ends without an answer.
      const { value } = (await socket[Symbol.asyncIterator]().next()) as { value?: Buffer };
      const answer = String(value);
      if (!answer.startsWith('+OK')) throw new Error(`FLUSHALL was answered with ${answer}`);
    } finally {
      socket.destroy();
    }
  }

  /** kill -9: what it held is gone. Resolves when it is. */
  async kill(): Promise<void> {
    const { child } = this;
    if (child?.exitCode !== null || child.signalCode !== null) return;
    const ended = once(child, 'exit');
    child.kill('SIGKILL');
    await ended;
  }
}
