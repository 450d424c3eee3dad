import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { IDEMPOTENCY_EXTENSION } from '#agents';
import { cli, CliRun } from '../support/cli.js';
import { freePort } from '../support/free-port.js';
import { aChunk, aStatus, aTask, type Reply, ScriptedAgent, useScriptedAgents } from '../support/scripted-agent.js';

const anAgent = useScriptedAgents();

/** The agent's card, saying that a message sent again under its key does nothing twice. */
function honouringKeys({ card }: ScriptedAgent): ScriptedAgent['card'] {
  return { ...card, capabilities: { extensions: [IDEMPOTENCY_EXTENSION] } };
}

describe('perdure send', () => {
  it('prints artifacts and the closing words, and ends with 0', async () => {
    const artifacts = [{ artifactId: 'a1', name: 'sum.json', parts: [{ data: { sum: 3 } }, { text: 'three' }] }];
    const agent = await anAgent((_, reply) => reply.result({ task: aTask('COMPLETED', { text: 'Done', artifacts }) }));

    const { exitCode, stdout } = await cli('send', agent.url, 'Add 1 and 2');

    expect(stdout).toBe('task t1\n--- sum.json ---\n{\n  "sum": 3\n}\nthree\ncompleted: Done\n');
    expect(exitCode).toBe(0);
    expect(agent.calls[1]).toMatchObject({
      method: 'SendMessage',
      params: { message: { role: 'ROLE_USER', parts: [{ text: 'Add 1 and 2' }] } },
      headers: { 'a2a-version': '1.0', 'content-type': 'application/json' },
    });
  });

  it('prints an answer without a task', async () => {
    const message = { messageId: 'm1', role: 'ROLE_AGENT', parts: [{ text: 'Hello' }] };
    const agent = await anAgent((_, reply) => reply.result({ message }));

    expect(await cli('send', agent.url, 'Hi')).toMatchObject({ exitCode: 0, stdout: 'Hello\n' });
  });

  it('returns at once with --no-wait, and says how to follow the task', async () => {
    const agent = await anAgent((_, reply) => reply.result({ task: aTask('SUBMITTED') }));

    const { exitCode, stderr } = await cli('send', agent.url, 'Hi', '--no-wait');

    expect(agent.calls[1]?.params).toMatchObject({ configuration: { returnImmediately: true } });
    expect(stderr).toBe(`The task goes on. Follow it with: npx perdure watch ${agent.url} t1\n`);
    expect(exitCode).toBe(0);
  });

  it.each(['FAILED', 'REJECTED', 'CANCELED'])('ends with 1 when the task ends as %s', async (state) => {
    const agent = await anAgent((_, reply) => reply.result({ task: aTask(state, { text: 'No' }) }));

    const { exitCode, stdout } = await cli('send', agent.url, 'Hi');

    expect(exitCode).toBe(1);
    expect(stdout).toContain(`${state.toLowerCase()}: No`);
  });

  it('carries every option to the place in the request where it belongs', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'perdure-cli-'));
    onTestFinished(() => rm(folder, { recursive: true }));
    await writeFile(join(folder, 'sales.csv'), 'a,b');
    const agent = await anAgent((_, reply) => reply.result({ task: aTask('COMPLETED') }));

    const options = ['--task', 't1', '--context', 'c1', '--tenant', 'acme', '--idempotency-key', 'k1'];
    const headers = ['--header', 'Authorization: Bearer x', '--header', 'X-Team: a:b'];
    await cli('send', agent.url, 'Sum', ...options, ...headers, '--agent', 'csv', '--file', join(folder, 'sales.csv'));

    const [card, call] = agent.calls;
    expect(card).toMatchObject({
      method: 'GET /agents/csv/.well-known/agent-card.json',
      headers: { authorization: 'Bearer x' },
    });
    expect(call?.headers).toMatchObject({ authorization: 'Bearer x', 'x-team': 'a:b', 'idempotency-key': 'k1' });
    expect(call?.params).toMatchObject({
      tenant: 'acme',
      message: {
        messageId: 'k1',
        taskId: 't1',
        contextId: 'c1',
        parts: [{ text: 'Sum' }, { raw: 'YSxi', filename: 'sales.csv', mediaType: 'text/csv' }],
      },
    });
  });

  it("acts in the tenant of the agent's card unless told otherwise", async () => {
    const agent = await anAgent((_, reply) => reply.result({ task: aTask('COMPLETED') }));
    const endpoint = { url: `${agent.url}/rpc`, protocolBinding: 'JSONRPC', protocolVersion: '1.0', tenant: 'of-card' };
    agent.card = { ...agent.card, supportedInterfaces: [endpoint] };

    await cli('send', agent.url, 'Hi');
    await cli('send', agent.url, 'Hi', '--tenant', 'acme');

    const tenants = agent.calls.filter(({ method }) => method === 'SendMessage').map(({ params }) => params.tenant);
    expect(tenants).toEqual(['of-card', 'acme']);
  });

  it('prints the protocol JSON with --json', async () => {
    const agent = await anAgent((_, reply) => reply.result({ task: aTask('COMPLETED', { text: 'Done' }) }));

    const { stdout } = await cli('send', agent.url, 'Hi', '--json');

    expect(JSON.parse(stdout)).toMatchObject({ task: { id: 't1', status: { state: 'TASK_STATE_COMPLETED' } } });
  });

  it('says how to answer a question where nobody can be asked, and ends with 0', async () => {
    const agent = await anAgent((_, reply) => reply.result({ task: aTask('INPUT_REQUIRED', { text: 'Which?' }) }));

    const { exitCode, stdout, stderr } = await cli('send', `${agent.url}/`, 'Hi', '--agent', 'csv');

    expect(stdout).toContain('input-required: Which?');
    expect(stderr).toContain(`perdure send ${agent.url}/ --agent csv 'ANSWER' --task t1`);
    expect(exitCode).toBe(0);
  });

  it.each([[], ['--stream']])(
    'puts a question to the person at the terminal and sends the answer (%s)',
    async (...flags) => {
      const agent = await anAgent(({ method, params }, reply) => {
        const isAnswer = params.message?.taskId === 't1';
        const task = isAnswer ? aTask('COMPLETED', { text: 'Done' }) : aTask('INPUT_REQUIRED', { text: 'Which?' });
        if (method === 'SendMessage') return reply.result({ task });
        reply.event({ task }, isAnswer ? 2 : 1);
        reply.end();
      });

      const run = new CliRun(['send', agent.url, 'Hi', '--idempotency-key', 'k1', ...flags], { tty: true });
      await run.shows('Your answer: ');
      run.types('The first');

      expect(await run.ended).toBe(0);
      expect(run.stdout).toContain('completed: Done');
      expect(agent.calls[2]).toMatchObject({
        params: { message: { taskId: 't1', contextId: 'c1', parts: [{ text: 'The first' }] } },
      });
      expect(agent.calls[2]?.headers).not.toHaveProperty('idempotency-key');
    },
  );

  it('leaves the question open when the person ends the input', async () => {
    const agent = await anAgent((_, reply) => reply.result({ task: aTask('INPUT_REQUIRED', { text: 'Which?' }) }));

    const run = new CliRun(['send', agent.url, 'Hi'], { tty: true });
    await run.shows('Your answer: ');
    run.endsInput();

    expect(await run.ended).toBe(0);
    expect(run.stderr).toContain('--task t1');
  });

  it('sends again under the same key when the answer got lost, where the card says that the agent honours keys', async () => {
    const agent = await anAgent((_, reply) => {
      if (agent.calls.filter(({ method }) => method === 'SendMessage').length < 3) return reply.cut();
      reply.result({ task: aTask('COMPLETED', { text: 'Done' }) });
    });
    agent.card = honouringKeys(agent);

    const { exitCode, stdout, stderr } = await cli('send', agent.url, 'Hi');

    const sent = agent.calls.filter(({ method }) => method === 'SendMessage');
    expect(new Set(sent.map(({ params }) => params.message?.messageId)).size).toBe(1);
    expect(sent.map(({ headers }) => headers['idempotency-key'])).toEqual(
      sent.map(() => sent[0]?.params.message?.messageId),
    );
    expect(stdout).toBe('task t1\ncompleted: Done\n');
    expect(stderr).toBe('Connection lost, waiting for the server …\nBack again, the task goes on.\n');
    expect(exitCode).toBe(0);
  });

  it('strips terminal control sequences from what the agent says on a terminal, and only there', async () => {
    const text = 'a\u001b[2J\u001b]0;title\u0007b\u009b31mc\u202ed\r\n\te';
    const agent = await anAgent((_, reply) => reply.result({ task: aTask('COMPLETED', { text }) }));

    const terminal = new CliRun(['send', agent.url, 'Hi'], { tty: true });
    await terminal.ended;
    const piped = await cli('send', agent.url, 'Hi');

    expect(terminal.stdout).toContain('abcd\n\te');
    expect(piped.stdout).toContain(text);
  });

  it('names the violated fields of a refused call, and ends with 2', async () => {
    const violation = { field: 'message.parts[0].mediaType', description: 'is no media type' };
    const data = [{ '@type': 'type.googleapis.com/google.rpc.BadRequest', fieldViolations: [violation] }];
    const agent = await anAgent((_, reply) => reply.error(-32602, 'Invalid parameters', data));

    const { exitCode, stderr } = await cli('send', agent.url, 'Hi');

    expect(stderr).toBe('Invalid parameters\n  message.parts[0].mediaType is no media type\n');
    expect(exitCode).toBe(2);
  });

  it.each([
    ['no URL', ['send', 'localhost:8080', 'Hi'], 'is not a URL of a server'],
    ['nothing to send', ['send', 'http://127.0.0.1:1'], 'nothing to send'],
    [
      'a file that is not there',
      ['send', 'http://127.0.0.1:1', '--file', '/nowhere.csv'],
      '/nowhere.csv cannot be read',
    ],
    ['a patience that is no duration', ['send', 'http://127.0.0.1:1', 'Hi', '--patience', 'long'], '30s, 5m or 1h'],
    ['a header without a colon', ['send', 'http://127.0.0.1:1', 'Hi', '--header', 'x'], "'name: value'"],
    ['an unknown option', ['send', 'http://127.0.0.1:1', 'Hi', '--nope'], 'unknown option'],
    ['an unknown command', ['sned'], 'unknown command'],
  ])('ends with 2 and says why, without a stack: %s', async (_, args, reason) => {
    const { exitCode, stdout, stderr } = await cli(...args);

    expect(stderr).toContain(reason);
    expect(stderr).not.toContain('    at ');
    expect({ exitCode, stdout }).toEqual({ exitCode: 2, stdout: '' });
  });

  it.each([
    ['HTTP 502', (reply: Reply) => reply.http(502, 'Bad gateway'), 'HTTP 502 Bad Gateway: Bad gateway'],
    ['a page', (reply: Reply) => reply.http(200, '<html>'), 'not JSON-RPC'],
    ['no task', (reply: Reply) => reply.result({ task: { id: 7 } }), 'no SendMessageResponse'],
    ['a cut line', (reply: Reply) => reply.cut(), 'the connection was cut'],
  ])('ends with 2 when the answer is %s', async (_, answer, reason) => {
    const agent = await anAgent((__, reply) => answer(reply));

    const { exitCode, stderr } = await cli('send', agent.url, 'Hi');

    expect(stderr).toContain(reason);
    expect(exitCode).toBe(2);
  });

  it('ends with 2 and says so when nothing listens at the address', async () => {
    const url = `http://127.0.0.1:${await freePort()}`;

    const { exitCode, stderr } = await cli('send', url, 'Hi');

    expect(stderr).toBe(
      `No answer from ${url}/.well-known/agent-card.json: nothing listens there (connection refused).\n`,
    );
    expect(exitCode).toBe(2);
  });

  it('refuses a card without a JSON-RPC interface of A2A 1.0, and names what is there', async () => {
    const agent = await anAgent(() => undefined);
    const endpoint = { url: agent.url, protocolBinding: 'GRPC', protocolVersion: '1.0' };
    agent.card = { ...agent.card, supportedInterfaces: [endpoint] };

    expect(await cli('send', agent.url, 'Hi')).toMatchObject({
      exitCode: 2,
      stderr: expect.stringContaining('its card has GRPC 1.0'),
    });
  });
});

describe('perdure send --stream', () => {
  it('prints statuses and chunks as they come', async () => {
    let finish: () => void = expect.unreachable;
    const agent = await anAgent((_, reply) => {
      reply.event({ task: aTask('SUBMITTED') }, 1);
      reply.event(aStatus('WORKING', 'Reading'), 2);
      reply.event(aChunk('Once ', false), 3);
      finish = () => {
        reply.event(aChunk('upon'), 4);
        reply.event(aStatus('COMPLETED'), 5);
        reply.end();
      };
    });

    const run = new CliRun(['send', agent.url, 'Tell', '--stream']);
    await run.shows('Once ');
    expect(run.stdout).toBe('task t1\nsubmitted\nworking: Reading\n--- report.md ---\nOnce ');
    finish();

    expect(await run.ended).toBe(0);
    expect(run.stdout).toBe('task t1\nsubmitted\nworking: Reading\n--- report.md ---\nOnce upon\ncompleted\n');
    expect(run.stderr).toBe('');
  });

  it('goes on after the last event when the line is cut', async () => {
    const agent = await anAgent(({ method }, reply) => {
      if (method === 'SendStreamingMessage') {
        reply.event({ task: aTask('SUBMITTED') }, 1);
        reply.event(aChunk('Once ', false), 2);
        return reply.cut();
      }
      reply.event(aChunk('upon'), 3);
      reply.event(aStatus('COMPLETED'), 4);
      reply.end();
    });

    const { exitCode, stdout, stderr } = await cli('send', agent.url, 'Tell', '--stream');

    expect(stdout).toBe('task t1\nsubmitted\n--- report.md ---\nOnce upon\ncompleted\n');
    expect(stderr).toBe('Connection lost, waiting for the server …\nBack again, the task goes on.\n');
    expect(agent.calls.at(-1)).toMatchObject({
      method: 'SubscribeToTask',
      params: { id: 't1' },
      headers: { 'last-event-id': '2' },
    });
    expect(exitCode).toBe(0);
  });

  it('ends when the agent waits for the client, also where the server keeps the stream open', async () => {
    const agent = await anAgent((_, reply) => reply.event(aStatus('AUTH_REQUIRED', 'Approve?'), 1));

    const { exitCode, stdout, stderr } = await cli('send', agent.url, 'Pay', '--stream');

    expect(stdout).toBe('task t1\nauth-required: Approve?\n');
    expect(stderr).toContain("'ANSWER' --task t1");
    expect(exitCode).toBe(0);
  });

  it('is not misled by a snapshot from before the answer', async () => {
    const agent = await anAgent((_, reply) => {
      reply.event({ task: aTask('INPUT_REQUIRED', { text: 'Which?' }) }, 1);
      reply.event(aStatus('COMPLETED', 'Done'), 2);
      reply.end();
    });

    const { stdout } = await cli('send', agent.url, 'This', '--stream', '--task', 't1');

    expect(stdout).toContain('completed: Done');
  });

  it('does not send a second time when the line is cut before the task has a name', async () => {
    const agent = await anAgent((_, reply) => reply.cut());

    const { exitCode } = await cli('send', agent.url, 'Tell', '--stream');

    expect(exitCode).toBe(2);
    expect(agent.calls.map(({ method }) => method)).toEqual([
      'GET /.well-known/agent-card.json',
      'SendStreamingMessage',
    ]);
  });

  it('sends again under the same key when the answer got lost, and prints what happened meanwhile from the first event on', async () => {
    const agent = await anAgent(({ method, headers }, reply) => {
      if (method === 'SendStreamingMessage') {
        const isFirst = agent.calls.filter((call) => call.method === method).length === 1;
        if (isFirst) return reply.cut();
        return reply.event({ task: aTask('WORKING', { text: 'Two' }) }, 3);
      }
      expect(headers['last-event-id']).toBe('0');
      reply.event({ task: aTask('SUBMITTED') }, 1);
      reply.event(aStatus('WORKING', 'One'), 2);
      reply.event(aStatus('WORKING', 'Two'), 3);
      reply.event(aStatus('COMPLETED'), 4);
      reply.end();
    });
    agent.card = honouringKeys(agent);

    const { exitCode, stdout } = await cli('send', agent.url, 'Tell', '--stream');

    const [first, again] = agent.calls.filter(({ method }) => method === 'SendStreamingMessage');
    expect(again?.params).toEqual(first?.params);
    expect(again?.headers['idempotency-key']).toBe(first?.params.message?.messageId);
    expect(stdout).toBe('task t1\nsubmitted\nworking: One\nworking: Two\ncompleted\n');
    expect(exitCode).toBe(0);
  });

  it('gives up on a server that does not come back within the patience, and says how to go on', async () => {
    const agent = await new ScriptedAgent((_, reply) => reply.event({ task: aTask('WORKING') }, 1)).start();

    const run = new CliRun(['send', agent.url, 'Tell', '--stream', '--patience', '400ms']);
    await run.shows('working');
    await agent.stop();

    expect(await run.ended).toBe(2);
    expect(run.stderr).toMatch(/^Connection lost, waiting for the server …\n.*perdure watch \S+ t1\nNo answer from /);
    expect(run.stderr).toContain('did not come back in time');
  });

  it('gives up at once with --patience 0', async () => {
    const agent = await anAgent((_, reply) => {
      reply.event({ task: aTask('WORKING') }, 1);
      reply.cut();
    });

    const { exitCode, stderr } = await cli('send', agent.url, 'Tell', '--stream', '--patience', '0');

    expect(stderr).toContain('the connection was cut.');
    expect(stderr).not.toContain('Connection lost');
    expect(agent.calls).toHaveLength(2);
    expect(exitCode).toBe(2);
  });

  it('says so when an artifact starts over', async () => {
    const agent = await anAgent((_, reply) => {
      reply.event(aChunk('half', false), 1);
      reply.event(aChunk('whole', false), 2);
      reply.event(aStatus('COMPLETED'), 3);
      reply.end();
    });

    const { stdout } = await cli('send', agent.url, 'Tell', '--stream');

    expect(stdout).toContain('--- report.md ---\nhalf\n--- report.md starts over ---\nwhole\ncompleted\n');
  });

  it('prints one event a line with --json', async () => {
    const agent = await anAgent((_, reply) => {
      reply.event({ task: aTask('SUBMITTED') }, 1);
      reply.event(aStatus('COMPLETED'), 2);
      reply.end();
    });

    const { stdout } = await cli('send', agent.url, 'Tell', '--stream', '--json');

    const events = stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(events).toMatchObject([{ task: { id: 't1' } }, { statusUpdate: { taskId: 't1' } }]);
  });
});
