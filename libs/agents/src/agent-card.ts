import { fromJson } from '@bufbuild/protobuf';
import { type AgentCard, type AgentCardJson, AgentCardSchema, type AgentExtensionJson } from '#protocol';
import type { Agent } from './agent.js';

/** The extension that says where a task's times stand; every card declares it. */
export const TIMESTAMPS_EXTENSION = {
  uri: 'https://perdure.dev/extensions/timestamps/v1',
  description:
    'Every Task carries createdAt and lastModified in its metadata: when it was accepted and when it last changed, ' +
    'as RFC 3339 strings in UTC with milliseconds.',
} as const satisfies AgentExtensionJson;

/** Where and how clients reach an agent. */
export interface AgentAddress {
  /** The absolute URL of the agent's JSON-RPC endpoint. */
  readonly url: string;
  /** The protocol version spoken there, such as `1.0`. */
  readonly protocolVersion: string;
}

/**
 * The agent's public card: what its author wrote, and what only the server knows (addresses, capabilities).
 * Throws protobuf-es' error where the author's part is no AgentCard; a loaded agent's part always is one.
 */
export function buildAgentCard(agent: Pick<Agent, 'card'>, address: AgentAddress): AgentCard {
  const card: AgentCardJson = {
    ...agent.card,
    defaultInputModes: agent.card.defaultInputModes ?? ['text/plain'],
    defaultOutputModes: agent.card.defaultOutputModes ?? ['text/plain'],
    supportedInterfaces: [{ ...address, protocolBinding: 'JSONRPC' }],
    capabilities: {
      streaming: true,
      pushNotifications: false,
      extendedAgentCard: false,
      extensions: [TIMESTAMPS_EXTENSION, ...(agent.card.capabilities?.extensions ?? [])],
    },
  };
  return fromJson(AgentCardSchema, card);
}
