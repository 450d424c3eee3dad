import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { create } from '@bufbuild/protobuf';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import {
  IDEMPOTENCY_EXTENSION,
  PRIORITY_EXTENSION,
  PUSH_FILTER_EXTENSION,
  SCHEDULING_EXTENSION,
  TIMESTAMPS_EXTENSION,
} from '#agents';
import { TaskSchema } from '#protocol';
import { useServers } from '../support/in-process-server.js';
import { scriptedAgent, type ScriptedServer, startScriptedServer } from '../support/scripted-server.js';
import { temporaryFolder } from '../support/temporary-folder.js';

const KNOWN = 'https://example.com/ext/known/v1';
const REQUIRED = 'https://example.com/ext/required/v1';
const TIMESTAMPS = TIMESTAMPS_EXTENSION.uri;
const withExtensions = (...extensions: object[]) => ({
  card: { name: 'A', description: 'A', version: '1', skills: [], capabilities: { extensions } },
});

let server: ScriptedServer;
let seen: readonly string[] | undefined;

beforeAll(async () => {
  server = await startScriptedServer({}, [
    scriptedAgent('free', { default: true, ...withExtensions({ uri: KNOWN }) }),
    scriptedAgent('strict', withExtensions({ uri: KNOWN }, { uri: REQUIRED, required: true })),
  ]);
  server.script.cancelTask = async (_request, { extensions }) => {
    seen = extensions;
    return create(TaskSchema, { id: 't', contextId: 'c', status: { state: 5 } });
  };
});
beforeEach(() => {
  seen = undefined;
});
afterAll(() => server.close());

function call(agent: string, headers: Record<string, string>, metadata?: object) {
  const request = { jsonrpc: '2.0', id: 1, method: 'CancelTask', params: { id: 't', metadata } };
  return server.post(request, { path: `/agents/${agent}`, headers });
}

describe('extensions', () => {
  it.each([
    ['the header', { 'a2a-extensions': KNOWN }, undefined, [KNOWN]],
    [
      'the header, with others',
      { 'a2a-extensions': `urn:unknown, ${KNOWN} ,${TIMESTAMPS}` },
      undefined,
      [TIMESTAMPS, KNOWN],
    ],
    ['the header of 0.3', { 'x-a2a-extensions': KNOWN }, undefined, [KNOWN]],
    ['a text in the metadata', {}, { 'a2a-extensions': `${KNOWN},urn:unknown` }, [KNOWN]],
    ['a list in the metadata', {}, { 'A2A-Extensions': [KNOWN, TIMESTAMPS] }, [TIMESTAMPS, KNOWN]],
    ['both', { 'a2a-extensions': TIMESTAMPS }, { 'a2a-extensions': KNOWN }, [TIMESTAMPS, KNOWN]],
    ['nothing', {}, undefined, []],
    ['another version of it', { 'a2a-extensions': KNOWN.replace('v1', 'v2') }, undefined, []],
    ['an empty header', { 'a2a-extensions': ' , ' }, undefined, []],
  ])('are activated by %s, and echoed', async (_case, headers, metadata, active) => {
    const answer = await call('free', headers, metadata);
    expect(answer.body).toHaveProperty('result.id', 't');
    expect(seen).toEqual(active);
    const echoed = answer.headers['a2a-extensions'] ?? answer.headers['x-a2a-extensions'];
    expect(echoed).toBe(active.length > 0 ? active.join(', ') : undefined);
  });

  it.each([
    [{}, undefined],
    [{ 'a2a-extensions': KNOWN }, undefined],
    [{}, { 'a2a-extensions': REQUIRED.replace('v1', 'v2') }],
  ])('that are required are missed: %j %j', async (headers, metadata) => {
    const { body } = await call('strict', headers, metadata);
    expect(body.error).toMatchObject({ code: -32008, message: expect.stringContaining(REQUIRED) });
    expect(body.error.data).toContainEqual(
      expect.objectContaining({ reason: 'EXTENSION_SUPPORT_REQUIRED', metadata: { extensions: REQUIRED } }),
    );
    expect(seen).toBeUndefined();
  });

  it.each([
    [{ 'a2a-extensions': REQUIRED }, undefined],
    [{}, { 'a2a-extensions': [REQUIRED] }],
  ])('that are required do when they are there: %j %j', async (headers, metadata) => {
    await call('strict', headers, metadata);
    expect(seen).toEqual([REQUIRED]);
  });

  it.each([7, true, null, { uri: KNOWN }, [KNOWN, 7]])('in metadata are refused as %j', async (value) => {
    const { body } = await call('free', {}, { 'a2a-extensions': value });
    expect(body.error.code).toBe(-32602);
    expect(JSON.stringify(body.error)).toContain('a2a-extensions');
  });

  it('are declared in the card: the author’s, and those of the server', async () => {
    const card = (await (await fetch(`${server.url}/agents/strict/.well-known/agent-card.json`)).json()) as any; // eslint-disable-line @typescript-eslint/no-explicit-any
    expect(card.capabilities.extensions).toEqual([
      TIMESTAMPS_EXTENSION,
      SCHEDULING_EXTENSION,
      PRIORITY_EXTENSION,
      IDEMPOTENCY_EXTENSION,
      PUSH_FILTER_EXTENSION,
      { uri: KNOWN },
      { uri: REQUIRED, required: true },
    ]);
  });
});

describe('a handler', () => {
  const folder = temporaryFolder();
  writeFileSync(
    join(folder, 'speaks.agent.ts'),
    `import { defineAgent } from 'perdure';
    export default defineAgent({
      card: { name: 'Speaks', description: 'Says what is active', capabilities: { extensions: [{ uri: '${KNOWN}' }] } },
      run: (task) => 'active: ' + task.extensions.join(' '),
    });`,
  );
  const servers = useServers(1, { agentDirs: [folder] });

  it('sees the extensions that are active, and its task carries its times', async () => {
    const message = { messageId: 'm', role: 'ROLE_USER', parts: [{ text: 'What is active?' }] };
    const response = await fetch(`${servers.url}/agents/speaks`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'a2a-version': '1.0', 'a2a-extensions': `urn:unknown,${KNOWN}` },
      body: JSON.stringify({
        ...{ jsonrpc: '2.0', id: 1, method: 'SendMessage' },
        params: { message, metadata: { 'a2a-extensions': [TIMESTAMPS] } },
      }),
    });
    expect(response.headers.get('a2a-extensions')).toBe(`${TIMESTAMPS}, ${KNOWN}`);
    const { result } = (await response.json()) as any; // eslint-disable-line @typescript-eslint/no-explicit-any
    expect(result.task.status.message.parts).toEqual([{ text: `active: ${TIMESTAMPS} ${KNOWN}` }]);
    const time = expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:]{8}\.\d{3}Z$/);
    expect(result.task.metadata).toEqual({ createdAt: time, lastModified: time });
  });
});
