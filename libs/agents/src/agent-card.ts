import { fromJson } from '@bufbuild/protobuf';
import {
  type AgentCard,
  type AgentCardJson,
  AgentCardSchema,
  type AgentExtensionJson,
  type AgentInterfaceJson,
} from '#protocol';
import type { Agent } from './agent.js';

/** The extension that says where a task's times stand; every card declares it. */
export const TIMESTAMPS_EXTENSION = {
  uri: 'https://perdure.dev/extensions/timestamps/v1',
  description:
    'Every Task carries createdAt and lastModified in its metadata: when it was accepted and when it last changed, ' +
    'as RFC 3339 strings in UTC with milliseconds.',
} as const satisfies AgentExtensionJson;

/**
 * The agent's public card: what its author wrote, and what only the server knows (its interfaces, capabilities).
 * Throws protobuf-es' error where the author's part is no AgentCard; a loaded agent's part always is one.
 */
export function buildAgentCard(agent: Pick<Agent, 'card'>, interfaces: AgentInterfaceJson[]): AgentCard {
  const card: AgentCardJson = {
    ...agent.card,
    defaultInputModes: agent.card.defaultInputModes ?? ['text/plain'],
    defaultOutputModes: agent.card.defaultOutputModes ?? ['text/plain'],
    supportedInterfaces: interfaces,
    capabilities: {
      streaming: canStream(agent),
      pushNotifications: false,
      extendedAgentCard: false,
      extensions: [TIMESTAMPS_EXTENSION, ...(agent.card.capabilities?.extensions ?? [])],
    },
  };
  return fromJson(AgentCardSchema, card);
}

/** Whether clients may follow the agent's tasks live. */
export function canStream({ card }: Pick<Agent, 'card'>): boolean {
  return card.capabilities?.streaming ?? true;
}
