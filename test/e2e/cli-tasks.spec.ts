import { describe, expect, it } from 'vitest';
import { cli, CliRun } from '../support/cli.js';
import { aStatus, aTask, useScriptedAgents } from '../support/scripted-agent.js';

const anAgent = useScriptedAgents();

describe('perdure watch', () => {
  it('asks for everything from the start, and goes on over cut lines without printing an event twice', async () => {
    const seen: (string | undefined)[] = [];
    const agent = await anAgent(({ headers }, reply) => {
      seen.push(headers['last-event-id'] as string);
      if (seen.length === 1) {
        reply.event({ task: aTask('SUBMITTED') }, 1);
        reply.event(aStatus('WORKING', 'One'), 2);
        return reply.cut();
      }
      if (seen.length === 2) return reply.error(-32000, 'The server is stopping');
      if (seen.length === 3) return reply.http(503, 'no');
      reply.event(aStatus('WORKING', 'One'), 2);
      reply.event(aStatus('COMPLETED', 'Two'), 3);
      reply.end();
    });

    const { exitCode, stdout, stderr } = await cli('watch', agent.url, 't1');

    expect(seen).toEqual(['0', '2', '2', '2']);
    expect(stdout).toBe('task t1\nsubmitted\nworking: One\ncompleted: Two\n');
    expect(stderr).toBe('Connection lost, waiting for the server …\nBack again, the task goes on.\n');
    expect(exitCode).toBe(0);
  });

  it('shows an ended task of a server that does not replay', async () => {
    const artifacts = [{ artifactId: 'a1', parts: [{ text: 'half' }] }];
    const agent = await anAgent(({ method }, reply) => {
      if (method === 'SubscribeToTask') return reply.error(-32004, 'The task has ended');
      reply.result(aTask('FAILED', { text: 'No', artifacts }));
    });

    const { exitCode, stdout } = await cli('watch', agent.url, 't1');

    expect(stdout).toBe('task t1\n--- artifact a1 ---\nhalf\nfailed: No\n');
    expect(exitCode).toBe(1);
  });

  it('goes on watching while the task waits for an answer, and says how to give it', async () => {
    let isAnswered = false;
    const agent = await anAgent(({ headers }, reply) => {
      if (headers['last-event-id'] === '0') reply.event({ task: aTask('INPUT_REQUIRED', { text: 'Which?' }) }, 1);
      else if (isAnswered) reply.event(aStatus('COMPLETED', 'Done'), 2);
      else return reply.http(503, '');
      reply.end();
    });

    const run = new CliRun(['watch', agent.url, 't1']);
    await run.shows(`perdure send ${agent.url} 'ANSWER' --task t1`);
    isAnswered = true;

    expect(await run.ended).toBe(0);
    expect(run.stdout).toBe('task t1\ninput-required: Which?\ncompleted: Done\n');
  });

  it('ends with 2 at once when there is no such task', async () => {
    const agent = await anAgent((_, reply) => reply.error(-32001, 'Task not found'));

    expect(await cli('watch', agent.url, 'nope')).toEqual({ exitCode: 2, stdout: '', stderr: 'Task not found\n' });
  });

  it('shows what it waits for on a terminal, and takes it away again', async () => {
    let finish: () => void = expect.unreachable;
    const agent = await anAgent((_, reply) => {
      reply.event({ task: aTask('WORKING') }, 1);
      finish = () => {
        reply.event(aStatus('COMPLETED'), 2);
        reply.end();
      };
    });

    const run = new CliRun(['watch', agent.url, 't1'], { tty: true });
    await run.shows(' working ');
    finish();

    expect(await run.ended).toBe(0);
    expect(run.stderr).toMatch(/ working \d+s/);
    expect(run.stderr.endsWith('\r\u001b[2K')).toBe(true);
  });
});

describe('perdure tasks', () => {
  it('lists tasks over as many pages as it takes to reach the limit', async () => {
    const agent = await anAgent(({ params: { pageToken, pageSize = 50 } }, reply) => {
      const first = pageToken ? 100 : 0;
      const tasks = Array.from({ length: pageSize }, (_, n) => ({ ...aTask('WORKING'), id: `t${first + n}` }));
      reply.result({ tasks, nextPageToken: 'more', pageSize, totalSize: 5000 });
    });

    const { stdout, stderr } = await cli('tasks', 'ls', agent.url, '--limit', '120', '--state', 'working');

    expect(agent.calls.slice(1).map(({ params }) => params)).toMatchObject([
      { pageSize: 100, status: 'TASK_STATE_WORKING' },
      { pageSize: 20, pageToken: 'more', status: 'TASK_STATE_WORKING' },
    ]);
    expect(stdout.trim().split('\n')).toHaveLength(121);
    expect(stderr).toBe('120 of 5000 tasks\n');
  });

  it('prints a table whose columns line up', async () => {
    const long = { ...aTask('INPUT_REQUIRED', { text: 'Which?\nOr none?' }), id: 'a-long-id' };
    const agent = await anAgent((_, reply) => reply.result({ tasks: [aTask('COMPLETED'), long], totalSize: 2 }));

    const { stdout } = await cli('tasks', 'ls', agent.url, '--context', 'c1');

    expect(stdout).toBe(
      [
        'TASK       STATE           SINCE                     CONTEXT  MESSAGE',
        't1         completed       2026-01-01T00:00:00.000Z  c1',
        'a-long-id  input-required  2026-01-01T00:00:00.000Z  c1       Which?',
        '',
      ].join('\n'),
    );
    expect(agent.calls[1]?.params).toMatchObject({ contextId: 'c1', pageSize: 20 });
  });

  it.each([
    ['--state', 'done', 'input-required'],
    ['--limit', '0', 'whole number'],
  ])('refuses %s %s and names what it takes', async (option, value, hint) => {
    const { exitCode, stderr } = await cli('tasks', 'ls', 'http://127.0.0.1:1', option, value);

    expect(stderr).toContain(hint);
    expect(exitCode).toBe(2);
  });

  it.each([
    ['get', 'GetTask'],
    ['cancel', 'CancelTask'],
  ])('%s calls %s and prints the task', async (command, method) => {
    const agent = await anAgent((_, reply) => reply.result(aTask('CANCELED', { text: 'Gone' })));

    const text = await cli('tasks', command, agent.url, 't1');
    const json = await cli('tasks', command, agent.url, 't1', '--json');

    expect(agent.calls[1]).toMatchObject({ method, params: { id: 't1' } });
    expect(text).toMatchObject({ exitCode: 0, stdout: 'task t1\ncanceled: Gone\n' });
    expect(JSON.parse(json.stdout)).toMatchObject({ id: 't1' });
  });
});

describe('perdure card', () => {
  it('prints the card for people, and as JSON when asked', async () => {
    const agent = await anAgent(() => undefined);
    agent.card = {
      ...agent.card,
      provider: { organization: 'Acme', url: 'https://acme.example' },
      capabilities: { streaming: true, extensions: [{ uri: 'urn:x', required: true }] },
      defaultInputModes: ['text/plain'],
      skills: [{ id: 's', name: 'Sum', description: 'Adds up.', tags: ['math'], examples: ['1+2'] }],
      unknown: 'left out',
    };

    const text = await cli('card', `${agent.url}/.well-known/agent-card.json`);
    const json = await cli('card', agent.url, '--json');

    expect(text.stdout).toBe(
      [
        'Scripted 1.0.0',
        'Answers as told.',
        'by Acme, https://acme.example',
        '',
        'Interfaces:',
        `  JSONRPC 1.0  ${agent.url}/rpc`,
        '',
        'Capabilities:',
        '  streaming',
        '  extension urn:x (required)',
        '',
        'Takes:',
        '  text/plain',
        '',
        'Skills:',
        '  Sum [math]',
        '    Adds up.',
        '    e.g. 1+2',
        '',
      ].join('\n'),
    );
    expect(JSON.parse(json.stdout)).toMatchObject({ name: 'Scripted', provider: { organization: 'Acme' } });
  });

  it('ends with 2 where there is no card', async () => {
    const agent = await anAgent(() => undefined);

    const { exitCode, stderr } = await cli('card', `${agent.url}/nothing.json`);

    expect(stderr).toContain('There is no agent card at');
    expect(exitCode).toBe(2);
  });
});
