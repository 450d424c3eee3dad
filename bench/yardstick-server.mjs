import { randomUUID } from 'node:crypto';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { A2A_PROTOCOL_VERSION, Role, TaskState } from '@a2a-js/sdk';
import { AgentEvent, DefaultRequestHandler, InMemoryTaskStore } from '@a2a-js/sdk/server';
import { agentCardHandler, jsonRpcHandler, UserBuilder } from '@a2a-js/sdk/server/express';
import express from 'express';
import { chunkText } from './chunk.mjs';

/**
 * The official SDK's server as its samples set it up, with the agents that Perdure runs in the benchmark, at the same
 * paths. Tasks are kept in memory, or with the SDK's own store in the Postgres of DATABASE_URL.
 */
const { PORT, DATABASE_URL } = process.env;
const store = DATABASE_URL ? await databaseStore(DATABASE_URL) : new InMemoryTaskStore();
const app = express();
for (const [id, work] of Object.entries({ echo, chunks })) {
  const agentCard = card(id);
  const requestHandler = new DefaultRequestHandler(agentCard, store, executor(work));
  app.use(`/agents/${id}/.well-known/agent-card.json`, agentCardHandler({ agentCardProvider: requestHandler }));
  app.use(`/agents/${id}`, jsonRpcHandler({ requestHandler, userBuilder: UserBuilder.noAuthentication }));
}
app.listen(Number(PORT), '127.0.0.1');

async function databaseStore(connectionString) {
  const { DatabaseTaskStore } = await import('@a2a-js/sdk/server/database');
  const { Kysely, PostgresDialect } = await import('kysely');
  const { default: pg } = await import('pg');
  return new DatabaseTaskStore(
    new Kysely({ dialect: new PostgresDialect({ pool: new pg.Pool({ connectionString }) }) }),
  );
}

/** TASK and WORKING, then what the agent does, then COMPLETED with what it answers. */
function executor(work) {
  return {
    async execute({ taskId, contextId, userMessage }, bus) {
      const ids = { taskId, contextId };
      const status = (state, message) => ({ state, message, timestamp: new Date().toISOString() });
      bus.publish(
        AgentEvent.task({
          ...emptyTask(userMessage),
          ...{ id: taskId, contextId },
          status: status(TaskState.TASK_STATE_SUBMITTED),
        }),
      );
      bus.publish(
        AgentEvent.statusUpdate({ ...ids, status: status(TaskState.TASK_STATE_WORKING), metadata: undefined }),
      );
      const parts = await work(userMessage, ids, bus);
      const message = parts && agentMessage(ids, parts);
      bus.publish(
        AgentEvent.statusUpdate({
          ...ids,
          status: status(TaskState.TASK_STATE_COMPLETED, message),
          metadata: undefined,
        }),
      );
    },
    cancelTask: async () => undefined,
  };
}

function echo(message) {
  return message.parts;
}

async function chunks(message, ids, bus) {
  const count = Number(message.parts[0].content.value);
  const artifactId = randomUUID();
  for (let index = 0; index < count; index++) {
    await nextTurn();
    bus.publish(
      AgentEvent.artifactUpdate({
        ...ids,
        ...chunk(artifactId, index),
        lastChunk: index === count - 1,
        metadata: undefined,
      }),
    );
  }
}

function chunk(artifactId, index) {
  const part = {
    content: { $case: 'text', value: chunkText(index) },
    metadata: undefined,
    filename: '',
    mediaType: 'text/plain',
  };
  const artifact = {
    artifactId,
    name: 'chunks.txt',
    description: '',
    parts: [part],
    metadata: undefined,
    extensions: [],
  };
  return { artifact, append: index > 0 };
}

function emptyTask(userMessage) {
  return { artifacts: [], history: [userMessage], metadata: undefined };
}

function agentMessage(ids, parts) {
  const rest = { extensions: [], metadata: undefined, referenceTaskIds: [] };
  return { ...ids, role: Role.ROLE_AGENT, messageId: randomUUID(), parts, ...rest };
}

function card(id) {
  const url = `http://127.0.0.1:${PORT}/agents/${id}`;
  return {
    ...{ name: id, description: `The ${id} agent`, version: '1.0.0', provider: undefined, signatures: [] },
    supportedInterfaces: [{ url, protocolBinding: 'JSONRPC', tenant: '', protocolVersion: A2A_PROTOCOL_VERSION }],
    capabilities: { streaming: true, pushNotifications: false, extensions: [], extendedAgentCard: false },
    ...{
      securitySchemes: {},
      securityRequirements: [],
      defaultInputModes: ['text/plain'],
      defaultOutputModes: ['text/plain'],
    },
    skills: [],
  };
}
