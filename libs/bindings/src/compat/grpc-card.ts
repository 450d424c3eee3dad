import { create, type DescMessage, fromBinary, type MessageShape, toBinary } from '@bufbuild/protobuf';
import {
  type AgentCard,
  AgentCapabilitiesSchema,
  type AgentInterface,
  AgentProviderSchema,
  AgentSkillSchema,
  SecurityRequirementSchema,
  type SecurityScheme,
  SecuritySchemeSchema,
  v03,
} from '#protocol';

/**
 * A card as package a2a.v1 has it. `interfaces` are the addresses that speak 0.3, the preferred one first. Signatures stay
 * behind: they hold for the card as they were made over it.
 */
export function cardTo03(card: AgentCard, interfaces: readonly AgentInterface[]): v03.AgentCard {
  const { name, description, version, documentationUrl, defaultInputModes, defaultOutputModes } = card;
  const additionalInterfaces = interfaces.map(({ url, protocolBinding }) => ({ url, transport: protocolBinding }));
  const [preferred] = additionalInterfaces;
  return create(v03.AgentCardSchema, {
    ...{ name, description, version, documentationUrl, defaultInputModes, defaultOutputModes },
    protocolVersion: '0.3.0',
    url: preferred?.url,
    preferredTransport: preferred?.transport,
    additionalInterfaces,
    provider: card.provider && reread(AgentProviderSchema, card.provider, v03.AgentProviderSchema),
    capabilities: card.capabilities && reread(AgentCapabilitiesSchema, card.capabilities, v03.AgentCapabilitiesSchema),
    securitySchemes: schemesTo03(card.securitySchemes),
    security: card.securityRequirements.map((one) => reread(SecurityRequirementSchema, one, v03.SecuritySchema)),
    skills: card.skills.map((skill) => reread(AgentSkillSchema, skill, v03.AgentSkillSchema)),
    supportsAuthenticatedExtendedCard: card.capabilities?.extendedAgentCard ?? false,
  });
}

function schemesTo03(schemes: Readonly<Record<string, SecurityScheme>>): Record<string, v03.SecurityScheme> {
  return Object.fromEntries(
    Object.entries(schemes).map(([name, scheme]) => [
      name,
      reread(SecuritySchemeSchema, scheme, v03.SecuritySchemeSchema),
    ]),
  );
}

/** For messages that kept their numbers and types from 0.3 to 1.0. What 1.0 added to them is left out. */
function reread<From extends DescMessage, To extends DescMessage>(
  from: From,
  message: MessageShape<From>,
  to: To,
): MessageShape<To> {
  return fromBinary(to, toBinary(from, message), { readUnknownFields: false });
}
