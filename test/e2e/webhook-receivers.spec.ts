import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { type AddressInfo } from 'node:net';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { type KeyRing, webhookKey } from '#access';
import { newWebhookSecret, packageRoot } from '#platform';
import { cardSigningKey, newCardKey } from '#protocol';
import { DeliveryHeaders, type RequestTerms } from '#push';
import { findProgram } from '../support/program.js';

const page = readFileSync(join(packageRoot(), 'docs/webhooks.md'), 'utf8');
const python = findProgram('python3', 'the receiver in Python of docs/webhooks.md');
const [secret, next, stranger] = [newWebhookSecret(), newWebhookSecret(), newWebhookSecret()];
const TEXT = '{"statusUpdate":{"taskId":"t-1","contextId":"ü","status":{"state":"TASK_STATE_COMPLETED"}}}';
const HOOK = 'https://client.example/hooks/a2a';
const PATIENCE = { timeout: 10_000 };
let issuer = '';
let ring: KeyRing;
let jwks = '';

beforeAll(async () => {
  const { kid, algorithm, privateKey, publicKey } = await newCardKey();
  const signer = await cardSigningKey(kid, algorithm, privateKey);
  ring = { signer, webhookSigners: [await webhookKey(privateKey)], published: [] };
  jwks = JSON.stringify({ keys: [publicKey] });
});

/** A receiver of the page in a process of its own, with what it prints. */
class Receiver {
  readonly lines: string[] = [];

  private constructor(
    readonly url: string,
    lines: AsyncIterator<string>,
  ) {
    void this.read(lines);
  }

  static async start(command: string, args: readonly string[], env: Record<string, string>): Promise<Receiver> {
    const child = spawn(command, args, {
      cwd: packageRoot(),
      env: { ...process.env, PORT: '0', ...env },
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    onTestFinished(() => end(child));
    const lines = createInterface(child.stdout)[Symbol.asyncIterator]();
    const first = await lines.next();
    const [, port] = /^port (\d+)$/.exec(String(first.value)) ?? [];
    expect(port, `the first line of ${command}`).toBeDefined();
    return new Receiver(`http://127.0.0.1:${port}/`, lines);
  }

  async status(headers: Record<string, string>, body = TEXT): Promise<number> {
    const { 'content-length': _, ...others } = headers;
    return (await fetch(this.url, { method: 'POST', headers: others, body })).status;
  }

  private async read(lines: AsyncIterator<string>): Promise<void> {
    for (let line = await lines.next(); !line.done; line = await lines.next()) this.lines.push(line.value);
  }
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  child.kill('SIGKILL');
  await once(child, 'exit');
}

/** The code of the page below this heading. */
function codeBelow(heading: string): string {
  const [, code] = /```(?:js|python)\n(.*?)```/s.exec(page.split(`### ${heading}\n`)[1]!)!;
  expect(code!.trim().split('\n').length).toBeLessThanOrEqual(26);
  return code!;
}

function signed(terms: Partial<RequestTerms> = {}, event = 1, at?: Date): Promise<Record<string, string>> {
  const body = { contentType: 'application/a2a+json', bytes: Buffer.from(TEXT), version: '1.0' };
  const delivery = { id: `0199e1a2-0000-7000-8000-000000000001_${event}`, taskId: 't-1' };
  const headers = new DeliveryHeaders({ current: () => ring }, () => issuer);
  return headers.headers({ url: HOOK, secrets: [secret], ...terms }, delivery, body, at);
}

describe.each([
  ['JavaScript', () => [process.execPath, ['--input-type=module', '--eval']] as const, 'A receiver in JavaScript'],
  ['Python', () => [python!, ['-c']] as const, 'A receiver in Python'],
])('the receiver in %s of docs/webhooks.md', (language, program, heading) => {
  it.skipIf(language === 'Python' && python === undefined)(
    'takes what is ours, uses it once, and nothing that anybody has altered',
    async () => {
      const [command, args] = program();
      const env = { WEBHOOK_SECRET: secret, PYTHONUNBUFFERED: '1' };
      const receiver = await Receiver.start(command, [...args, codeBelow(heading)], env);
      const first = await signed();
      for (let attempt = 0; attempt < 2; attempt += 1) expect(await receiver.status(first)).toBe(204);
      expect(await receiver.status(await signed({ secrets: [next, secret] }, 2))).toBe(204);

      expect(await receiver.status(await signed({ secrets: [stranger] }, 3))).toBe(401);
      expect(await receiver.status(first, TEXT.replace('COMPLETED', 'FAILED'))).toBe(401);
      expect(await receiver.status({ ...first, 'webhook-id': `${first['webhook-id']}0` })).toBe(401);
      expect(await receiver.status(await signed({}, 4, new Date(Date.now() - 301_000)))).toBe(401);
      const { 'webhook-signature': _, ...unsigned } = await signed({}, 5);
      expect(await receiver.status(unsigned)).toBe(401);

      await expect
        .poll(() => receiver.lines, PATIENCE)
        .toEqual([1, 2].map((event) => expect.stringMatching(`_${event} statusUpdate$`)));
    },
  );
});

describe('the receiver without a secret of docs/webhooks.md', () => {
  it('takes what has a token for it and for this body, by a key that the server publishes', async () => {
    const server = createServer((_, response) => response.end(jwks)).listen(0, '127.0.0.1');
    await once(server, 'listening');
    onTestFinished(() => void server.close());
    issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const env = { AGENT_URL: issuer, WEBHOOK_URL: HOOK };
    const code = codeBelow('A receiver without a secret');
    const receiver = await Receiver.start(process.execPath, ['--input-type=module', '--eval', code], env);
    const terms = { scheme: 'Bearer' };
    expect(await receiver.status(await signed(terms))).toBe(204);
    expect(await receiver.status(await signed(terms), `${TEXT} `)).toBe(401);
    expect(await receiver.status(await signed({ ...terms, url: 'https://other.example' }))).toBe(401);
    expect(await receiver.status(await signed(terms, 1, new Date(Date.now() - 301_000)))).toBe(401);
    expect(await receiver.status(await signed())).toBe(401);
    await expect.poll(() => receiver.lines, PATIENCE).toEqual([expect.stringMatching(/_1 t-1$/)]);
  });
});
