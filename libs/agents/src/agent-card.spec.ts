import { toJson } from '@bufbuild/protobuf';
import { expect, it } from 'vitest';
import { AgentCardSchema, requiredFieldViolations } from '#protocol';
import {
  buildAgentCard,
  IDEMPOTENCY_EXTENSION,
  PRIORITY_EXTENSION,
  SCHEDULING_EXTENSION,
  TIMESTAMPS_EXTENSION,
} from './agent-card.js';

const skills = [{ id: 'sum', name: 'Sum', description: 'Adds up', tags: ['maths'] }];
const written = { name: 'Sums', description: 'Adds numbers up', version: '2.1.0', skills };
const address = [{ url: 'https://example.com/agents/sums', protocolBinding: 'JSONRPC', protocolVersion: '1.0' }];

it('completes the author’s part to a card that has all the protocol requires', () => {
  const card = buildAgentCard({ card: written }, address);
  expect(requiredFieldViolations(AgentCardSchema, card)).toEqual([]);
  expect(toJson(AgentCardSchema, card)).toEqual({
    ...written,
    supportedInterfaces: address,
    capabilities: {
      streaming: true,
      pushNotifications: false,
      extendedAgentCard: false,
      extensions: [TIMESTAMPS_EXTENSION, SCHEDULING_EXTENSION, PRIORITY_EXTENSION, IDEMPOTENCY_EXTENSION],
    },
    defaultInputModes: ['text/plain'],
    defaultOutputModes: ['text/plain'],
  });
});

it('says that the agent does not stream where its author says so', () => {
  const card = buildAgentCard({ card: { ...written, capabilities: { streaming: false } } }, address);
  expect(card.capabilities?.streaming).toBe(false);
});

it('keeps the author’s modes, and their extensions beside its own', () => {
  const extension = { uri: 'https://example.com/extension/v1', required: true };
  const own = { defaultInputModes: ['text/csv'], capabilities: { extensions: [extension] } };
  const card = toJson(AgentCardSchema, buildAgentCard({ card: { ...written, ...own } }, address));
  expect(card).toMatchObject({
    defaultInputModes: ['text/csv'],
    defaultOutputModes: ['text/plain'],
    capabilities: {
      extensions: [TIMESTAMPS_EXTENSION, SCHEDULING_EXTENSION, PRIORITY_EXTENSION, IDEMPOTENCY_EXTENSION, extension],
    },
  });
});
