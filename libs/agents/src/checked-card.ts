import { fromJson, type JsonValue } from '@bufbuild/protobuf';
import { AgentCardSchema, requiredFieldViolations } from '#protocol';
import type { Agent } from './agent.js';
import { buildAgentCard } from './agent-card.js';
import type { AgentCardFields } from './define-agent.js';

const AUTHOR_CAPABILITIES: readonly string[] = ['streaming', 'pushNotifications', 'extensions'];

const SERVER_FILLED: Readonly<Record<string, string>> = {
  supportedInterfaces: 'it knows its own addresses',
  signatures: 'it signs the card it serves',
  securitySchemes: 'its configuration says how callers authenticate',
  securityRequirements: 'its configuration says how callers authenticate',
};

/**
 * The author's part of the card, checked against the protocol's AgentCard, with version and skills filled in.
 * Adds what is wrong to `problems`; undefined when it is no AgentCard at all.
 */
export function checkedCard(given: unknown, agentId: string, problems: string[]): Agent['card'] | undefined {
  try {
    const card = plainCard(given);
    problems.push(...serverFilled(card), ...unspeakableExtensions(card));
    const complete = {
      ...card,
      version: card.version ?? '1.0.0',
      skills: card.skills ?? [defaultSkill(agentId, card)],
    };
    const address = { url: 'http://localhost/', protocolBinding: 'JSONRPC', protocolVersion: '1.0' };
    const sample = buildAgentCard({ card: complete }, [address], { pushes: true });
    for (const { field, description } of requiredFieldViolations(AgentCardSchema, sample, 'card')) {
      problems.push(`${field} ${description}`);
    }
    return complete;
  } catch (error) {
    problems.push(`card is no AgentCard: ${reason(error)}`);
    return undefined;
  }
}

/** A copy that is JSON and decodes as an AgentCard, unknown fields refused; throws where it is not. */
function plainCard(given: unknown): AgentCardFields {
  const json = JSON.parse(JSON.stringify(given ?? null)) as JsonValue;
  fromJson(AgentCardSchema, json);
  return json as unknown as AgentCardFields;
}

/** Clients name extensions in a header, separated by commas. */
function unspeakableExtensions({ capabilities }: AgentCardFields): string[] {
  return (capabilities?.extensions ?? []).flatMap(({ uri = '' }, index) =>
    /^[\x21-\x2b\x2d-\x7e]+$/.test(uri)
      ? []
      : [`card.capabilities.extensions[${index}].uri must be a URI, of ASCII characters without spaces and commas`],
  );
}

function defaultSkill(agentId: string, { name, description }: AgentCardFields) {
  return { id: agentId, name, description, tags: [agentId] };
}

function serverFilled(card: AgentCardFields): string[] {
  const fields = Object.entries(SERVER_FILLED).filter(([field]) => field in card);
  const capabilities = Object.keys(card.capabilities ?? {}).filter((field) => !AUTHOR_CAPABILITIES.includes(field));
  return [
    ...fields.map(([field, why]) => `card.${field} is filled in by the server: ${why}`),
    ...capabilities.map(
      (field) => `card.capabilities.${field} is filled in by the server: it is the same for every agent`,
    ),
  ];
}

function reason(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  return text.replace(/^cannot decode message lf\.a2a\.v1\.(AgentCard from JSON: )?/, '');
}
