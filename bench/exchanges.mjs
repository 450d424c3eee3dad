import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { A2AService, Role, SendMessageRequestSchema, SendMessageResponseSchema, TaskState } from '#protocol';
import { chunkText } from './chunk.mjs';
import { GrpcConnection } from './grpc-connection.mjs';

/**
 * What the load generator can send. Each takes the settings of a job and gives `request()`, the next request as its
 * connection takes it (`open(port)`; a KeepAliveConnection unless it says otherwise), and `check(response)`, which throws unless the answer is right and returns `{ taskId, firstMs }` where the
 * answer has them; the milliseconds count from the request to the first event of a stream.
 */
export const EXCHANGES = { echo, grpcEcho, chunks, stream, rpc, get };

let sent = 0;

/** SendMessage to the echo agent: a COMPLETED task whose message is the text that was sent. */
function echo({ path }) {
  let text;
  return {
    request: () => sendMessage(path, 'SendMessage', (text = `Hello, this is message ${++sent} of the benchmark`)),
    check(response) {
      const task = completedTask(response);
      const echoed = task.status.message?.parts[0]?.text;
      if (echoed !== text) throw new Error(`sent ${text}, got ${echoed}`);
      return { taskId: task.id };
    },
  };
}

/** The same as `echo` over gRPC, to an agent by its id. */
function grpcEcho({ agent }) {
  const path = `/${A2AService.typeName}/SendMessage`;
  const message = { role: Role.USER, parts: [{ content: { case: 'text', value: '' } }] };
  const request = create(SendMessageRequestSchema, { tenant: `/${agent}`, message });
  let text;
  return {
    open: GrpcConnection.open,
    request() {
      text = `Hello, this is message ${++sent} of the benchmark`;
      request.message.messageId = `m-${process.pid}-${sent}`;
      request.message.parts[0].content.value = text;
      return { path, bytes: toBinary(SendMessageRequestSchema, request) };
    },
    check({ status, bytes }) {
      if (status !== '0') throw new Error(`status ${status}`);
      const { payload } = fromBinary(SendMessageResponseSchema, bytes);
      if (payload.value?.status?.state !== TaskState.COMPLETED) throw new Error('not completed');
      const echoed = payload.value.status.message?.parts[0]?.content.value;
      if (echoed !== text) throw new Error(`sent ${text}, got ${echoed}`);
      return { taskId: payload.value.id };
    },
  };
}

/** SendMessage to the chunks agent: a COMPLETED task with an artifact of that many parts. */
function chunks({ path, count }) {
  return {
    request: () => sendMessage(path, 'SendMessage', String(count)),
    check(response) {
      const task = completedTask(response);
      checkChunks(task.artifacts?.[0]?.parts ?? [], count);
      return { taskId: task.id };
    },
  };
}

/** SendStreamingMessage to the chunks agent: the task, an event for every chunk, COMPLETED. */
function stream({ path, count }) {
  return {
    request: () => sendMessage(path, 'SendStreamingMessage', String(count)),
    check(response) {
      const events = sseResults(response);
      const updates = events.flatMap(({ artifactUpdate }) => artifactUpdate?.artifact.parts ?? []);
      checkChunks(updates, count);
      const state = events.at(-1)?.statusUpdate?.status.state;
      if (state !== 'TASK_STATE_COMPLETED') throw new Error(`the stream ended with ${state}`);
      return { taskId: events[0]?.task.id, firstMs: response.firstAt - response.sentAt };
    },
  };
}

/** Any JSON-RPC call, always the same one: a result without an error, that contains `contains`. */
function rpc({ path, method, params, contains }) {
  const request = post(path, { jsonrpc: '2.0', id: 1, method, params });
  return {
    request: () => request,
    check(response) {
      resultOf(response);
      if (!response.body.includes(contains)) throw new Error(`no ${contains} in ${response.body.slice(0, 300)}`);
      return {};
    },
  };
}

/** GET of a JSON document that contains `contains`. */
function get({ path, contains }) {
  const request = Buffer.from(`GET ${path} HTTP/1.1\r\nhost: bench\r\na2a-version: 1.0\r\n\r\n`);
  return {
    request: () => request,
    check({ status, body }) {
      JSON.parse(body);
      if (status !== 200 || !body.includes(contains)) throw new Error(`${status}: ${body.slice(0, 300)}`);
      return {};
    },
  };
}

function sendMessage(path, method, text) {
  const message = { messageId: `m-${process.pid}-${++sent}`, role: 'ROLE_USER', parts: [{ text }] };
  return post(path, { jsonrpc: '2.0', id: sent, method, params: { message } });
}

function post(path, json) {
  const body = JSON.stringify(json);
  return `POST ${path} HTTP/1.1\r\nhost: bench\r\na2a-version: 1.0\r\ncontent-type: application/json\r\ncontent-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`;
}

function completedTask(response) {
  const { task } = resultOf(response);
  if (task?.status?.state !== 'TASK_STATE_COMPLETED') throw new Error(`not completed: ${response.body.slice(0, 300)}`);
  return task;
}

function resultOf({ status, body }) {
  const { result } = JSON.parse(body);
  if (status !== 200 || !result) throw new Error(`${status}: ${body.slice(0, 300)}`);
  return result;
}

function sseResults({ status, body }) {
  const lines = body.split('\n').filter((line) => line.startsWith('data:'));
  if (status !== 200 || lines.length === 0) throw new Error(`${status}: ${body.slice(0, 300)}`);
  return lines.map((line) => JSON.parse(line.slice('data:'.length)).result ?? {});
}

/** An empty part may close the artifact. */
function checkChunks(parts, count) {
  const texts = parts.map(({ text }) => text).filter((text) => text !== '');
  if (texts.length !== count) throw new Error(`${texts.length} chunks, not ${count}`);
  const wrong = texts.findIndex((text, index) => text !== chunkText(index));
  if (wrong !== -1) throw new Error(`chunk ${wrong} is ${texts[wrong]}`);
}
