import { fromJson, toJson } from '@bufbuild/protobuf';
import { AgentRegistry, loadAgents } from '#agents';
import { Execution } from '#execution';
import { createLogger, loadConfig, openQueueConnection } from '#platform';
import { GetTaskRequestSchema, SendMessageRequestSchema, SendMessageResponseSchema, TaskSchema } from '#protocol';
import { Tasks } from '#tasks';

/*
 * The service layer and the workers of one process, without its wires, so that it is there in half the time. It loads
 * all that it needs at once, and begins when it is told to with `{ start }`: the database's URL. It says `{ ready }` when it
 * is at either point, and then answers calls `{ id, agent, operation, request, key }` with `{ id, result }` or
 * `{ id, error }`. It ends with its parent.
 */
const OPERATIONS = {
  sendMessage: [SendMessageRequestSchema, SendMessageResponseSchema],
  getTask: [GetTaskRequestSchema, TaskSchema],
};
const TENANT = 'acme';
// Nothing is renewed, and nobody takes over before the test says so.
const { REDIS_URL, PERDURE_REDIS_PREFIX } = process.env;
const config = {
  ...loadConfig({ REDIS_URL, PERDURE_REDIS_PREFIX }),
  secretKeys: [new Uint8Array(32)],
  leaseMs: 60_000,
};
const logger = createLogger({ logLevel: 'info', logFormat: 'json' });
const agents = new AgentRegistry(await loadAgents([process.argv[2]], config));
let tasks;

process.on('disconnect', () => process.exit());
process.on('message', ({ start, ...call }) => void (start ? begin(start) : answer(call)));
process.send({ ready: 'loaded' });

async function begin(databaseUrl) {
  tasks = new Tasks(config, agents, logger, databaseUrl);
  await tasks.start();
  new Execution(tasks, await openQueueConnection(databaseUrl, config, logger)).start();
  process.send({ ready: 'started' });
}

async function answer({ id, ...call }) {
  try {
    process.send({ id, result: await (call.operation === 'signal' ? signal(call) : serve(call)) });
  } catch (error) {
    process.send({ id, error: String(error) });
  }
}

async function serve({ agent, operation, request, key }) {
  const [requestSchema, responseSchema] = OPERATIONS[operation];
  const caller = { tenant: TENANT, principal: 'alice', extensions: [], signal: new AbortController().signal };
  const context = { ...caller, agent, idempotencyKey: key };
  return toJson(responseSchema, await tasks.service[operation](fromJson(requestSchema, request), context));
}

/** As operators send it; the request has `id`, `name` and `value`. */
function signal({ request: { id, name, value }, key }) {
  return tasks.taskSignals.deliver({ tenantId: TENANT, taskId: id }, { name, value, key });
}
