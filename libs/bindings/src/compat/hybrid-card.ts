import { type JsonObject } from '@bufbuild/protobuf';
import {
  type AgentCard,
  AgentCardSchema,
  type AgentInterface,
  type OAuthFlows,
  OAuthFlowsSchema,
  type SecurityRequirement,
  type SecurityScheme,
  toJsonObject,
} from '#protocol';

const VERSION = '0.3.0';

/**
 * The card for callers that name no version, or 0.3: the card of 1.0 with what 0.3 requires beside it (its `AgentCard` in
 * types.ts), so that parsers of either version read it, as long as they ignore what they do not know. An interface list of
 * 1.0 comes first, then the same addresses as they speak 0.3. Signatures stand as they are in `card`.
 */
export function hybridCard(card: AgentCard): JsonObject {
  const body = toJsonObject(AgentCardSchema, card) as JsonObject;
  const interfaces = legacyInterfaces(card.supportedInterfaces);
  const preferred = interfaces.find(({ transport }) => transport === 'JSONRPC') ?? interfaces[0];
  return {
    ...body,
    protocolVersion: VERSION,
    url: preferred?.url ?? '',
    preferredTransport: preferred?.transport ?? 'JSONRPC',
    additionalInterfaces: interfaces,
    supportedInterfaces: hybridInterfaces(card.supportedInterfaces),
    supportsAuthenticatedExtendedCard: card.capabilities?.extendedAgentCard ?? false,
    ...(body.securitySchemes !== undefined && {
      securitySchemes: hybridSchemes(body.securitySchemes as JsonObject, card),
    }),
    ...(card.securityRequirements.length > 0 && { security: card.securityRequirements.map(securityTo) }),
    skills: card.skills.map((skill, index) => ({
      ...(body.skills as JsonObject[])[index],
      ...(skill.securityRequirements.length > 0 && { security: skill.securityRequirements.map(securityTo) }),
    })),
  };
}

/** Whether 0.3 can be spoken there: its messages have no tenant, so one that the URL does not carry could not be named. */
export function speaks03({ protocolBinding, tenant }: AgentInterface): boolean {
  return protocolBinding !== 'GRPC' || tenant === '';
}

function legacyInterfaces(interfaces: readonly AgentInterface[]): { url: string; transport: string }[] {
  const all = interfaces.filter(speaks03).map(({ url, protocolBinding }) => ({ url, transport: protocolBinding }));
  return all.filter(
    ({ url, transport }, at) => at === all.findIndex((o) => o.url === url && o.transport === transport),
  );
}

function hybridInterfaces(interfaces: readonly AgentInterface[]): JsonObject[] {
  const current = interfaces.filter(({ protocolVersion }) => !isLegacy(protocolVersion));
  const legacy = legacyInterfaces(interfaces).map(({ url, transport }) => ({
    url,
    protocolBinding: transport,
    protocolVersion: '0.3',
  }));
  return [
    ...current.map(({ url, protocolBinding, tenant, protocolVersion }) => ({
      url,
      protocolBinding,
      ...(tenant !== '' && { tenant }),
      protocolVersion,
    })),
    ...legacy,
  ];
}

function isLegacy(protocolVersion: string): boolean {
  return protocolVersion === '0.3' || protocolVersion.startsWith('0.3.');
}

/** Both shapes in one object: 1.0 puts a scheme under a member with its name, 0.3 lays it out flat beside its `type`. */
function hybridSchemes(schemes: JsonObject, { securitySchemes }: AgentCard): JsonObject {
  return Object.fromEntries(
    Object.entries(securitySchemes).map(([name, scheme]) => [
      name,
      { ...schemeTo(scheme), ...(schemes[name] as JsonObject) },
    ]),
  );
}

function schemeTo({ scheme }: SecurityScheme): JsonObject {
  const description: JsonObject = scheme.value?.description ? { description: scheme.value.description } : {};
  switch (scheme.case) {
    case 'apiKeySecurityScheme':
      return { type: 'apiKey', in: scheme.value.location, name: scheme.value.name, ...description };
    case 'httpAuthSecurityScheme': {
      const { bearerFormat } = scheme.value;
      return { type: 'http', scheme: scheme.value.scheme, ...(bearerFormat && { bearerFormat }), ...description };
    }
    case 'oauth2SecurityScheme': {
      const { flows, oauth2MetadataUrl } = scheme.value;
      return { type: 'oauth2', flows: flowsTo(flows), ...(oauth2MetadataUrl && { oauth2MetadataUrl }), ...description };
    }
    case 'openIdConnectSecurityScheme':
      return { type: 'openIdConnect', openIdConnectUrl: scheme.value.openIdConnectUrl, ...description };
    case 'mtlsSecurityScheme':
      return { type: 'mutualTLS', ...description };
    default:
      return {};
  }
}

/** The flow of devices came with 1.0. */
function flowsTo(flows: OAuthFlows | undefined): JsonObject {
  if (!flows || flows.flow.case === 'deviceCode') return {};
  return toJsonObject(OAuthFlowsSchema, flows);
}

function securityTo({ schemes }: SecurityRequirement): JsonObject {
  return Object.fromEntries(Object.entries(schemes).map(([name, { list }]) => [name, list]));
}
