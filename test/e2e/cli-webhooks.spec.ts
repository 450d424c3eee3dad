import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { loadConfig } from '#platform';
import { OPERATED_AGENTS } from '../support/agent-folders.js';
import { cli, CliRun } from '../support/cli.js';
import { freePort } from '../support/free-port.js';
import { useServers } from '../support/in-process-server.js';
import { fetchAnswer } from '../support/json-rpc.js';
import { useTables } from '../support/task-tables.js';
import { temporaryFolder } from '../support/temporary-folder.js';

const { pushAllow, pushRetryMs, secretKeys } = loadConfig({
  PERDURE_PUSH_ALLOW: '127.0.0.1',
  PERDURE_PUSH_RETRY: '0',
  PERDURE_SECRET_KEY: Buffer.alloc(32, 1).toString('base64'),
});
const servers = useServers(1, { agentDirs: [OPERATED_AGENTS], pushAllow, pushRetryMs, secretKeys });
const folder = temporaryFolder();
const tables = useTables({
  get url() {
    return servers.databaseUrl;
  },
});

const perdure = (command: string, ...args: string[]) => cli('webhooks', command, servers.url, ...args);

/** A task that waits for its client, with a webhook to a port on which nothing listens yet. */
async function watchedTask(name: string) {
  const file = join(folder, `${name}.ask`);
  writeFileSync(file, '');
  const { id } = await servers.rpc('mendable').send(file);
  const port = await freePort();
  const { headers, json } = await fetchAnswer(`${servers.url}/agents/mendable/tasks/${id}/pushNotificationConfigs`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'a2a-version': '1.0' },
    body: JSON.stringify({ id: 'mine', url: `http://127.0.0.1:${port}/hook?key=hidden`, token: 'tok-7' }),
  });
  expect(json).toMatchObject({ id: 'mine' });
  const [row] = await tables.rows<{ uid: string }>('select uid from perdure.push_configs where task_id = $1', [id]);
  return { id: id!, uid: row!.uid, port: String(port), secret: String(headers['webhook-secret']) };
}

async function listening(port: string, ...args: string[]): Promise<CliRun> {
  const run = new CliRun(['webhooks', 'listen', '--port', port, ...args]);
  await run.shows(`Listening on http://127.0.0.1:${port}/`);
  return run;
}

describe('the operator of a webhook', () => {
  it('tests it, and sees on both sides what comes of it', async () => {
    const { uid, port, secret, id } = await watchedTask('tested');
    const receiver = await listening(port, '--secret', secret, '--fail', '503', '--times', '1', '--count', '2');
    const failed = await perdure('test', uid);
    expect(failed).toMatchObject({
      exitCode: 1,
      stdout: expect.stringMatching(/^state {6}dead since [^]*^1 +\S+Z +503 /m),
    });

    const tested = await perdure('test', uid);

    expect(tested.stdout).toMatch(new RegExp(`^delivery {3}${uid}_test2\n`));
    expect(tested.stdout).toMatch(/^state {6}delivered since /m);
    expect(tested.stdout).toMatch(/^1 +\S+Z +204 +\d+ ms$/m);
    expect(tested.exitCode).toBe(0);
    expect(await receiver.ended).toBe(0);
    expect(receiver.stdout).toMatch(new RegExp(`^\\S+Z {2}503 {2}${uid}_test1 {2}verified, a test\ntask ${id}\n`));
    expect(receiver.stdout).toMatch(new RegExp(`^\\S+Z {2}204 {2}${uid}_test2 {2}verified, a test$`, 'm'));
    expect(receiver.stdout).toContain('input-required: Send it?');

    const nobody = await perdure('test', uid, '--json');
    expect(JSON.parse(nobody.stdout)).toMatchObject({ state: 'dead', log: [{ attempt: 1, error: 'connect' }] });
    expect(nobody.exitCode).toBe(1);
  });

  it('finds what its receiver has refused, and recovers it in order once that is mended', async () => {
    const { id, uid, port, secret } = await watchedTask('refused');
    const failing = await listening(port, '--secret', secret, '--fail', '500', '--count', '2', '--json');
    await servers.rpc('mendable').send('yes', { taskId: id });
    expect(await failing.ended).toBe(0);
    const lines = failing.stdout.trim().split('\n');
    const came = lines.map((line) => JSON.parse(line) as { id: string; status: number; verification: string });
    expect(came).toMatchObject(came.map(() => ({ status: 500, verification: 'verified' })));
    const ids = came.map((delivery) => delivery.id);
    await tables.waitFor(async () =>
      expect(JSON.parse((await perdure('dead', '--webhook', uid, '--json')).stdout)).toHaveLength(ids.length),
    );

    const listed = await perdure('ls', '--task', id);
    expect(listed.stdout).toMatch(new RegExp(`\n${uid}  default  ${id}  failing +0 +2 +http://127.0.0.1:${port}/hook`));
    const dead = await perdure('dead', '--webhook', uid, '--since', '1h');
    expect(dead.stdout).toMatch(new RegExp(`^DELIVERY .*\n${ids[1]} +dead +\\S+ +1 +500 +\\d+ ms\n${ids[0]} `));
    expect(dead.stderr).toBe('2 deliveries\n');
    const shown = await perdure('show', ids[0]!);
    expect(shown.stdout).toMatch(/^attempts {3}1$/m);
    const webhook = await perdure('show', uid);
    expect(webhook.stdout).toMatch(/^dead {7}2$/m);
    expect(webhook.stdout).toContain('sends      signatures, a token');
    expect((await perdure('ls', '--endpoints')).stdout).toMatch(
      new RegExp(`default  http://127.0.0.1:${port}  failing`),
    );

    const asked = await perdure('recover', '--endpoint', `http://127.0.0.1:${port}`, '--since', '1h');
    expect(asked).toMatchObject({ exitCode: 1, stdout: '', stderr: expect.stringContaining('recover: 2 deliveries.') });
    const receiver = await listening(port, '--secret', secret, '--count', '3');
    const recovered = await perdure('recover', '--webhook', uid, '--yes');
    expect(recovered.stdout.match(/^done .*$/gm)).toEqual(
      ids.map((delivery) => `done      ${delivery}  it is dead, and is sent again under the same id`),
    );
    const delivered = await perdure('log', '--webhook', uid, '--state', 'delivered', '--json');
    await tables.waitFor(async () => expect((await perdure('dead', '--webhook', uid)).stderr).toBe('0 deliveries\n'));
    expect(JSON.parse(delivered.stdout)).toEqual(expect.any(Array));

    expect((await perdure('resend', ids[0]!)).stdout).toContain(`done      ${ids[0]}  it is delivered`);
    expect(await receiver.ended).toBe(0);
    expect(receiver.stdout.match(/^\S+Z {2}204 .*$/gm)!.map((line) => line.split('  ').slice(2).join(' '))).toEqual([
      `${ids[0]} verified`,
      `${ids[1]} verified`,
      `${ids[0]} verified, again`,
    ]);
    const output = [listed, dead, shown, webhook, recovered].map(({ stdout }) => stdout).join();
    for (const hidden of [secret, 'tok-7', 'hidden']) expect(output).not.toContain(hidden);
  });

  it('rotates its secret, and the receiver may have either', async () => {
    const { uid, port, secret } = await watchedTask('rotated');
    const rotated = await perdure('rotate', uid);
    expect(rotated.stdout).toMatch(/^whsec_[A-Za-z0-9+/]+=\n$/);
    expect(rotated.stderr).toMatch(/^The old secret signs as well until \S+Z\.\n$/);
    for (const known of [secret, rotated.stdout.trim()]) {
      const receiver = await listening(port, '--secret', known, '--count', '1');
      expect((await perdure('test', uid)).exitCode).toBe(0);
      expect(await receiver.ended).toBe(0);
      expect(receiver.stdout).toContain('verified, a test');
    }
    const stranger = await listening(port, '--secret', `whsec_${Buffer.alloc(32).toString('base64')}`, '--count', '1');
    expect((await perdure('test', uid)).exitCode).toBe(1);
    expect(await stranger.ended).toBe(0);
    expect(stranger.stdout).toMatch(/ {2}401 .* refused, a test\nwebhook-signature /);
  });

  it('enables it, or all of its endpoint', async () => {
    const { uid, port } = await watchedTask('disabled');
    await tables.rows(`update perdure.push_configs set disabled_at = now(), disabled_reason = 'gone' where uid = $1`, [
      uid,
    ]);
    expect((await perdure('ls', '--disabled')).stdout).toContain(`${uid}  default`);
    expect(await perdure('test', uid)).toMatchObject({ exitCode: 2, stderr: expect.stringContaining('is disabled') });
    expect(await perdure('enable', uid)).toMatchObject({ exitCode: 0, stdout: expect.stringContaining('is enabled') });
    const endpoint = await perdure('enable', '--endpoint', `http://127.0.0.1:${port}`, '--json');
    expect(JSON.parse(endpoint.stdout)).toEqual({ text: expect.stringContaining('the endpoint is tried again') });
  });
});

describe('a mistake of the operator', () => {
  it.each([
    [['show', '00000000-0000-4000-8000-000000000000'], 'There is no webhook'],
    [['show', 'nonsense_x'], 'There is no such delivery'],
    [['resend', 'nonsense'], 'ids[0] must be the id of a delivery'],
    [['recover', '--since', 'long'], 'Write it as 15m, 24h or 7d'],
    [['log', '--state', 'new'], 'Allowed choices are pending'],
    [['enable'], 'Say what to enable'],
    [['rotate', 'x', '--keep', 'long'], 'Write it as 90s'],
    [['ls', '--endpoint', 'example.com'], 'endpoint must be an origin'],
  ])('ends %j with 2 and says what is wrong', async ([command, ...args], message) => {
    const { exitCode, stderr } = await perdure(command!, ...args);
    expect(stderr).toContain(message);
    expect(exitCode).toBe(2);
  });

  it('in the port ends with 1 or 2, and names it', async () => {
    expect((await cli('webhooks', 'listen', '--port', '70000')).stderr).toContain('from 0 to 65535');
    const taken = await cli('webhooks', 'listen', '--port', new URL(servers.url).port);
    expect(taken).toMatchObject({ exitCode: 1, stderr: expect.stringContaining('Cannot listen on port') });
  });
});
