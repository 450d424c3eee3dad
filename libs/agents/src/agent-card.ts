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

/** The extension by which a client says when a new task begins, and by when it has to have ended; every card declares it. */
export const SCHEDULING_EXTENSION = {
  uri: 'https://perdure.dev/extensions/scheduling/v1',
  description:
    'The metadata of a SendMessage request may hold an object under this URI: startAt, when a new task is to begin, and ' +
    'deadline, by when it has to have ended, else it fails. Each is an RFC 3339 time or a duration from now, such as 90s, ' +
    '15m, 24h or 7d. A task that begins later is answered at once, as SUBMITTED.',
} as const satisfies AgentExtensionJson;

/** The extension by which a client says which of its tasks come first where they have to wait; every card declares it. */
export const PRIORITY_EXTENSION = {
  uri: 'https://perdure.dev/extensions/priority/v1',
  description:
    'The metadata of a SendMessage request may hold low, normal or high under this URI. Where the tasks of a tenant have to ' +
    'wait, those of higher priority begin first; without it a task has normal priority, and it keeps the one it was made with.',
} as const satisfies AgentExtensionJson;

/** The extension by which a client may send a message again whose answer got lost; every card declares it. */
export const IDEMPOTENCY_EXTENSION = {
  uri: 'https://perdure.dev/extensions/idempotency/v1',
  description:
    'A SendMessage or SendStreamingMessage with a key, in the header Idempotency-Key or as idempotency-key in the metadata of ' +
    'the request, may be sent again: the same request under the same key gives the same task or message, and does nothing ' +
    'a second time. The same key with another request is refused.',
} as const satisfies AgentExtensionJson;

/** The extension by which a client says which events a webhook of its task is told of; cards that push declare it. */
export const PUSH_FILTER_EXTENSION = {
  uri: 'https://perdure.dev/extensions/push-filter/v1',
  description:
    'A call that makes a webhook (CreateTaskPushNotificationConfig, or a message with taskPushNotificationConfig) may have the ' +
    'header Push-Filter, such as states=completed,failed; artifacts=false: of the events that say how the task stands, those ' +
    'in these states alone (submitted, working, input-required, auth-required, completed, failed, canceled, rejected), and no ' +
    'artifacts. What is not named is not held back.',
} as const satisfies AgentExtensionJson;

const EXTENSIONS: readonly AgentExtensionJson[] = [
  TIMESTAMPS_EXTENSION,
  SCHEDULING_EXTENSION,
  PRIORITY_EXTENSION,
  IDEMPOTENCY_EXTENSION,
];

/**
 * The agent's public card: what its author wrote, and what only the server knows (its interfaces, capabilities; `pushes`:
 * whether it tells webhooks at all).
 * Throws protobuf-es' error where the author's part is no AgentCard; a loaded agent's part always is one.
 */
export function buildAgentCard(
  agent: Pick<Agent, 'card'>,
  interfaces: AgentInterfaceJson[],
  server: { readonly pushes: boolean },
): AgentCard {
  const pushNotifications = server.pushes && canPush(agent);
  const card: AgentCardJson = {
    ...agent.card,
    defaultInputModes: agent.card.defaultInputModes ?? ['text/plain'],
    defaultOutputModes: agent.card.defaultOutputModes ?? ['text/plain'],
    supportedInterfaces: interfaces,
    capabilities: {
      streaming: canStream(agent),
      pushNotifications,
      extendedAgentCard: false,
      extensions: [
        ...EXTENSIONS,
        ...(pushNotifications ? [PUSH_FILTER_EXTENSION] : []),
        ...(agent.card.capabilities?.extensions ?? []),
      ],
    },
  };
  return fromJson(AgentCardSchema, card);
}

/** Whether clients may have webhooks told of the agent's tasks, where the server does that. */
export function canPush({ card }: Pick<Agent, 'card'>): boolean {
  return card.capabilities?.pushNotifications ?? true;
}

/** Whether clients may follow the agent's tasks live. */
export function canStream({ card }: Pick<Agent, 'card'>): boolean {
  return card.capabilities?.streaming ?? true;
}
