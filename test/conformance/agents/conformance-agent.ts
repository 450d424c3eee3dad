import { defineAgent, type AgentDefinition, type MessageJson } from 'perdure';
import { behaviourOf, isDirect } from './behaviours.js';

/** What can be different about the conformance agent, so that a kit finds what it wants to refuse or to be refused. */
export interface Switches {
  readonly default?: boolean;
  /** Off: the card has no streaming, and streams are refused. */
  readonly streaming?: boolean;
  /** Off: the card has no pushNotifications, and webhooks are refused. */
  readonly pushNotifications?: boolean;
  /** On: the card demands the extension of the kit's CORE-CAP-004. */
  readonly requiredExtension?: boolean;
  /** On: parts of every media type are taken, as the kit's CORE-SEND-003 wants it and the specification does not. */
  readonly anyMediaType?: boolean;
}

/** The extension that the kit's CORE-CAP-004 looks for. */
export const REQUIRED_EXTENSION = 'urn:a2a:tck:required-extension';

/** The switches by the environment. */
export function switchesOf(environment: Readonly<Record<string, string | undefined>>): Switches {
  return {
    streaming: environment.ITK_ACTS_REDUCED_CAPABILITIES !== '1',
    pushNotifications: environment.ITK_ACTS_REDUCED_CAPABILITIES !== '1',
    requiredExtension: environment.TCK_REQUIRED_EXTENSION === '1',
    anyMediaType: environment.TCK_ANY_MEDIA_TYPE === '1',
  };
}

/** An agent that behaves as the kits ask: see behaviours.ts. */
export function conformanceAgent(switches: Switches): AgentDefinition {
  const { requiredExtension = false, anyMediaType = false, streaming = true, pushNotifications = true } = switches;
  return defineAgent({
    card: {
      name: 'Conformance',
      description: 'Does what a message of a conformance kit asks for.',
      defaultInputModes: anyMediaType ? ['*/*'] : ['text/plain', 'application/json', 'application/octet-stream'],
      defaultOutputModes: ['text/plain', 'application/json'],
      skills: [
        {
          id: 'conformance',
          name: 'Conformance',
          description: 'Chooses what to do by the prefix of the message id, or of the text.',
          tags: ['conformance'],
          examples: ['tck-complete-task'],
        },
      ],
      capabilities: {
        streaming,
        pushNotifications,
        extensions: requiredExtension
          ? [{ uri: REQUIRED_EXTENSION, description: 'Must be asked for.', required: true }]
          : [],
      },
    },
    default: switches.default ?? false,
    timeout: '2m',
    respond: ({ message }: { message: MessageJson }) => (isDirect(message) ? 'Direct message response' : undefined),
    run: (task) => behaviourOf(task.message, task.history)(task),
  });
}
