import { toJson } from '@bufbuild/protobuf';
import { expect, it } from 'vitest';
import { AgentCardSchema, requiredFieldViolations } from '#protocol';
import {
  buildAgentCard,
  IDEMPOTENCY_EXTENSION,
  PRIORITY_EXTENSION,
  PUSH_FILTER_EXTENSION,
  SCHEDULING_EXTENSION,
  TIMESTAMPS_EXTENSION,
} from './agent-card.js';

const OWN = [
  ...[TIMESTAMPS_EXTENSION, SCHEDULING_EXTENSION, PRIORITY_EXTENSION, IDEMPOTENCY_EXTENSION],
  PUSH_FILTER_EXTENSION,
];
const skills = [{ id: 'sum', name: 'Sum', description: 'Adds up', tags: ['maths'] }];
const written = { name: 'Sums', description: 'Adds numbers up', version: '2.1.0', skills };
const address = [{ url: 'https://example.com/agents/sums', protocolBinding: 'JSONRPC', protocolVersion: '1.0' }];

it('completes the author’s part to a card that has all the protocol requires', () => {
  const card = buildAgentCard({ card: written }, address, { pushes: true });
  expect(requiredFieldViolations(AgentCardSchema, card)).toEqual([]);
  expect(toJson(AgentCardSchema, card)).toEqual({
    ...written,
    supportedInterfaces: address,
    capabilities: {
      streaming: true,
      pushNotifications: true,
      extendedAgentCard: false,
      extensions: OWN,
    },
    defaultInputModes: ['text/plain'],
    defaultOutputModes: ['text/plain'],
  });
});

it('says that the agent does not stream where its author says so', () => {
  const card = buildAgentCard({ card: { ...written, capabilities: { streaming: false } } }, address, { pushes: true });
  expect(card.capabilities?.streaming).toBe(false);
});

it('says that webhooks are told of its tasks where the server does that and the author lets it', () => {
  const pushing = (pushNotifications: boolean | undefined, pushes: boolean) => {
    const { capabilities } = buildAgentCard({ card: { ...written, capabilities: { pushNotifications } } }, address, {
      pushes,
    });
    const declares = capabilities?.extensions.some(({ uri }) => uri === PUSH_FILTER_EXTENSION.uri);
    return [capabilities?.pushNotifications, declares];
  };
  expect(pushing(undefined, true)).toEqual([true, true]);
  expect(pushing(false, true)).toEqual([false, false]);
  expect(pushing(true, false)).toEqual([false, false]);
});

it('keeps the author’s modes, and their extensions beside its own', () => {
  const extension = { uri: 'https://example.com/extension/v1', required: true };
  const own = { defaultInputModes: ['text/csv'], capabilities: { extensions: [extension] } };
  const card = toJson(AgentCardSchema, buildAgentCard({ card: { ...written, ...own } }, address, { pushes: true }));
  expect(card).toMatchObject({
    defaultInputModes: ['text/csv'],
    defaultOutputModes: ['text/plain'],
    capabilities: {
      extensions: [...OWN, extension],
    },
  });
});
