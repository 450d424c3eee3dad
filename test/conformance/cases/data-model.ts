import { expect } from 'vitest';
import { requiredFieldViolations, StreamResponseSchema, TaskSchema, TaskState } from '#protocol';
import { fromJson, type JsonObject } from '@bufbuild/protobuf';
import { sending } from '../../equivalence/row.js';
import { type HttpAnswer } from '../../support/json-rpc.js';
import { type ProtocolClient } from '../../support/protocol-client.js';
import { type ConformanceCase, JSON_BINDINGS, postRpc, rest, rpc, type World } from '../case.js';

/** Everything a task can show: artifacts of all kinds, a question, a failure, chunks. */
const TEXTS = [
  'tck-artifact-text',
  'tck-artifact-file',
  'tck-artifact-file-url',
  'tck-artifact-data',
  'tck-stream-chunked',
  'tck-multi-turn',
  'tck-auth-required',
  'tck-task-failure',
];

/** SendMessage's answer as it is on the wire of the binding. */
async function sentRaw({ url, client }: World, request: JsonObject): Promise<JsonObject> {
  if (client.binding === 'JSONRPC') return (await postRpc(url, rpc('SendMessage', request))).json.result as JsonObject;
  return (await rest(url, ['POST', '/message:send'], { body: request })).json as JsonObject;
}

/** The tasks of all {@link TEXTS}, as they are on the wire. */
async function rawTasks(world: World): Promise<JsonObject[]> {
  const answers = await Promise.all(TEXTS.map((text) => sentRaw(world, sending(text))));
  return answers.map(({ task }) => task as JsonObject);
}

/** Every key of a JSON value with what stands under it, at any depth. */
function entriesOf(value: unknown): [string, unknown][] {
  if (Array.isArray(value)) return value.flatMap(entriesOf);
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([key, item]): [string, unknown][] => [[key, item], ...entriesOf(item)]);
}

const under = (tasks: readonly JsonObject[], ...keys: string[]): unknown[] =>
  tasks
    .flatMap((task) => entriesOf(task))
    .filter(([key]) => keys.includes(key))
    .map(([, value]) => value);

async function artifactPart(client: ProtocolClient, text: string) {
  const { task } = await client.call('SendMessage', sending(text));
  expect(task!.artifacts).toMatchObject([{ artifactId: expect.stringMatching(/./), parts: [{}] }]);
  return task!.artifacts![0]!.parts![0];
}

/** The shape of tasks, messages, parts and artifacts, and their JSON. */
export const DATA_MODEL: readonly ConformanceCase[] = [
  {
    name: 'tasks have all the fields that the protocol requires, at any depth, and none that it does not know',
    requirements: ['DM-TASK-001', 'DM-MSG-001', 'DM-ART-001', 'DM-STATUS-001', 'DM-SERIAL-004', 'DM-PART-001'],
    over: JSON_BINDINGS,
    run: async (world) => {
      for (const raw of await rawTasks(world)) {
        // Decoding is strict: it throws at an unknown field, and at a part with two contents.
        const task = fromJson(TaskSchema, raw);
        expect(requiredFieldViolations(TaskSchema, task)).toEqual([]);
        expect(Object.keys(raw)).toEqual(expect.arrayContaining(['id', 'contextId', 'status', 'history']));
        const parts = [...task.history, ...task.artifacts].flatMap((holder) => holder.parts);
        expect(parts.map(({ content }) => content.case)).not.toContain(undefined);
      }
    },
  },
  {
    name: 'states and roles are the names of the proto, as text',
    requirements: ['DM-TASK-002', 'DM-MSG-002', 'DM-SERIAL-002'],
    over: JSON_BINDINGS,
    run: async (world) => {
      const tasks = await rawTasks(world);
      const states = Object.keys(TaskState)
        .filter((name) => Number.isNaN(Number(name)))
        .map((name) => `TASK_STATE_${name}`);
      for (const state of under(tasks, 'state')) expect(states).toContain(state);
      expect(new Set(under(tasks, 'role'))).toEqual(new Set(['ROLE_USER', 'ROLE_AGENT']));
    },
  },
  {
    name: 'keys are in camel case, everywhere',
    requirements: ['DM-SERIAL-001'],
    over: JSON_BINDINGS,
    run: async (world) => {
      for (const [key] of entriesOf(await rawTasks(world))) expect(key).not.toMatch(/^[a-z]+(_[a-z]+)+$/);
    },
  },
  {
    name: 'times are in UTC with milliseconds and a Z, and say when',
    requirements: ['DM-SERIAL-003'],
    over: JSON_BINDINGS,
    run: async (world) => {
      const times = under(await rawTasks(world), 'timestamp', 'createdAt', 'lastModified');
      expect(times.length).toBeGreaterThanOrEqual(3 * TEXTS.length);
      for (const time of times) {
        expect(time).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
        expect(Math.abs(Date.parse(String(time)) - Date.now())).toBeLessThan(60 * 60_000);
      }
    },
  },
  {
    name: 'fields that the server does not know are ignored',
    requirements: ['DM-SERIAL-005', 'ACTS DM-EXTRA-001'],
    over: JSON_BINDINGS,
    run: async (world) => {
      const { message } = sending('tck-complete-task') as { message: JsonObject };
      const { task } = await sentRaw(world, { colour: 'red', message: { ...message, mood: { good: [1] } } });
      expect(task).toMatchObject({ status: { state: 'TASK_STATE_COMPLETED' } });
      expect(JSON.stringify(task)).not.toContain('mood');
    },
  },
  {
    name: 'text artifacts have their text',
    requirements: ['DM-ART-001', 'ACTS tck-artifact-text'],
    run: async ({ client }) => {
      expect(await artifactPart(client, 'tck-artifact-text')).toEqual({ text: 'Generated text content' });
    },
  },
  {
    name: 'file artifacts have their bytes, name and media type',
    requirements: ['DM-ART-001', 'ACTS tck-artifact-file'],
    run: async ({ client }) => {
      const raw = Buffer.from('Generated file content').toString('base64');
      expect(await artifactPart(client, 'tck-artifact-file')).toEqual({
        raw,
        filename: 'output.txt',
        mediaType: 'text/plain',
      });
    },
  },
  {
    name: 'file artifacts by address have their url, name and media type',
    requirements: ['DM-ART-001', 'ACTS tck-artifact-file-url'],
    run: async ({ client }) => {
      const url = 'https://example.com/output.txt';
      expect(await artifactPart(client, 'tck-artifact-file-url')).toEqual({
        url,
        filename: 'output.txt',
        mediaType: 'text/plain',
      });
    },
  },
  {
    name: 'data artifacts have their data, numbers as they were',
    requirements: ['DM-ART-001', 'ACTS tck-artifact-data'],
    run: async ({ client }) => {
      expect(await artifactPart(client, 'tck-artifact-data')).toEqual({ data: { key: 'value', count: 42 } });
    },
  },
  {
    name: 'messages keep every kind of part as it was sent',
    requirements: ['DM-PART-001', 'CORE-HIST-006'],
    run: async ({ client }) => {
      const parts = [
        { text: 'tck-complete-task' },
        { raw: 'AAEC/w==', mediaType: 'application/octet-stream', filename: 'a.bin' },
        { url: 'https://example.com/a', mediaType: 'text/plain' },
        { data: { list: [1, 2.5, null, true, 'x'], nested: { deep: {} } }, metadata: { note: 'kept' } },
      ];
      const { task } = await client.call('SendMessage', sending(parts));
      expect(task!.history![0]!.parts).toEqual(parts);
    },
  },
  {
    name: 'every event of a stream has exactly one payload with all the fields that the protocol requires',
    requirements: ['GRPC-ERR-003', 'JSONRPC-SSE-001', 'HTTP_JSON-SSE-001'],
    run: async ({ client }) => {
      for (const text of TEXTS.filter((name) => name !== 'tck-auth-required')) {
        const events = await (await client.open('SendStreamingMessage', sending(text))).all();
        for (const { response } of events) {
          expect(Object.keys(response)).toHaveLength(1);
          expect(requiredFieldViolations(StreamResponseSchema, fromJson(StreamResponseSchema, response))).toEqual([]);
        }
      }
    },
  },
  {
    name: 'nextPageToken, totals and the list itself are always there, empty or not',
    requirements: ['CORE-LIST-004', 'DM-SERIAL-004'],
    over: JSON_BINDINGS,
    run: async ({ url, client }) => {
      const contextId = 'tck-test-context';
      const answer: HttpAnswer =
        client.binding === 'JSONRPC'
          ? await postRpc(url, rpc('ListTasks', { contextId }))
          : await rest(url, ['GET', `/tasks?contextId=${contextId}`]);
      const list = client.binding === 'JSONRPC' ? answer.json.result : answer.json;
      expect(list).toEqual({ tasks: [], nextPageToken: '', pageSize: 50, totalSize: 0 });
    },
  },
];
