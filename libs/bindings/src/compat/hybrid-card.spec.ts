import { fromJson, type JsonObject } from '@bufbuild/protobuf';
import { describe, expect, it } from 'vitest';
import { AgentCardSchema, toJsonObject } from '#protocol';
import { hybridCard } from './hybrid-card.js';

const INTERFACES = [
  { url: 'https://a.example/rest', protocolBinding: 'HTTP+JSON', protocolVersion: '1.0' },
  { url: 'https://a.example/rpc', protocolBinding: 'JSONRPC', protocolVersion: '1.0' },
  { url: 'a.example:443', protocolBinding: 'GRPC', protocolVersion: '1.0' },
];

const CARD = {
  name: 'A',
  description: 'Does A',
  version: '2.0.0',
  supportedInterfaces: INTERFACES,
  capabilities: { streaming: true, extendedAgentCard: true, extensions: [{ uri: 'urn:x', required: true }] },
  defaultInputModes: ['text/plain'],
  defaultOutputModes: ['text/plain'],
  skills: [{ id: 's', name: 'S', description: 'Skill', tags: ['t'] }],
};

function hybrid(fields: JsonObject = {}): JsonObject {
  return hybridCard(fromJson(AgentCardSchema, { ...CARD, ...fields }));
}

describe('the hybrid card', () => {
  it('is the card of 1.0, to those who ignore what they do not know', () => {
    const fields = { iconUrl: 'https://a.example/i.png', provider: { organization: 'O', url: 'https://o.example' } };
    const card = fromJson(AgentCardSchema, { ...CARD, ...fields });
    const read = fromJson(AgentCardSchema, hybridCard(card), { ignoreUnknownFields: true });
    expect(read.supportedInterfaces.slice(0, 3)).toEqual(card.supportedInterfaces);
    expect(toJsonObject(AgentCardSchema, { ...read, supportedInterfaces: card.supportedInterfaces })).toEqual(
      toJsonObject(AgentCardSchema, card),
    );
  });

  it('has what 0.3 requires: JSON-RPC as its address, and all transports', () => {
    expect(hybrid()).toMatchObject({
      protocolVersion: '0.3.0',
      url: 'https://a.example/rpc',
      preferredTransport: 'JSONRPC',
      additionalInterfaces: [
        { url: 'https://a.example/rest', transport: 'HTTP+JSON' },
        { url: 'https://a.example/rpc', transport: 'JSONRPC' },
        { url: 'a.example:443', transport: 'GRPC' },
      ],
      supportsAuthenticatedExtendedCard: true,
      capabilities: { streaming: true, extensions: [{ uri: 'urn:x', required: true }] },
      skills: [{ id: 's', name: 'S', description: 'Skill', tags: ['t'] }],
    });
  });

  it('lists the interfaces of 1.0 first, then the same as they speak 0.3', () => {
    expect(hybrid().supportedInterfaces).toEqual([
      ...INTERFACES,
      ...INTERFACES.map((one) => ({ ...one, protocolVersion: '0.3' })),
    ]);
  });

  it('keeps interfaces of 0.3 that the card lists already, once and behind', () => {
    const older = { ...INTERFACES[1], protocolVersion: '0.3.0' };
    const card = hybrid({ supportedInterfaces: [older, INTERFACES[1]!] });
    expect(card.supportedInterfaces).toEqual([INTERFACES[1], { ...INTERFACES[1], protocolVersion: '0.3' }]);
    expect(card.additionalInterfaces).toEqual([{ url: 'https://a.example/rpc', transport: 'JSONRPC' }]);
  });

  it('does not offer gRPC to 0.3 where a tenant has to be named, for which that has no word', () => {
    const card = hybrid({ supportedInterfaces: INTERFACES.map((one) => ({ ...one, tenant: 'acme' })) });
    expect(card.additionalInterfaces).toEqual([
      { url: 'https://a.example/rest', transport: 'HTTP+JSON' },
      { url: 'https://a.example/rpc', transport: 'JSONRPC' },
    ]);
    expect(card.supportedInterfaces).toHaveLength(5);
  });

  it('prefers what there is, where that is not JSON-RPC', () => {
    expect(hybrid({ supportedInterfaces: [INTERFACES[0]!] })).toMatchObject({
      url: 'https://a.example/rest',
      preferredTransport: 'HTTP+JSON',
    });
  });

  it('lays every security scheme out in both shapes', () => {
    const flow = { tokenUrl: 'https://i.example/token', scopes: { read: 'Reads' } };
    const device = { ...flow, deviceAuthorizationUrl: 'https://i.example/device' };
    const schemes = {
      key: { apiKeySecurityScheme: { location: 'header', name: 'X-Key', description: 'Ask us' } },
      bearer: { httpAuthSecurityScheme: { scheme: 'bearer', bearerFormat: 'JWT' } },
      oauth: { oauth2SecurityScheme: { flows: { clientCredentials: flow }, oauth2MetadataUrl: 'https://i.example/m' } },
      device: { oauth2SecurityScheme: { flows: { deviceCode: device } } },
      oidc: { openIdConnectSecurityScheme: { openIdConnectUrl: 'https://i.example/oidc' } },
      mtls: { mtlsSecurityScheme: {} },
    };
    const card = hybrid({ securitySchemes: schemes });
    expect(card.securitySchemes).toEqual({
      key: { type: 'apiKey', in: 'header', name: 'X-Key', description: 'Ask us', ...schemes.key },
      bearer: { type: 'http', scheme: 'bearer', bearerFormat: 'JWT', ...schemes.bearer },
      oauth: {
        type: 'oauth2',
        flows: { clientCredentials: flow },
        oauth2MetadataUrl: 'https://i.example/m',
        ...schemes.oauth,
      },
      device: { type: 'oauth2', flows: {}, ...schemes.device },
      oidc: { type: 'openIdConnect', openIdConnectUrl: 'https://i.example/oidc', ...schemes.oidc },
      mtls: { type: 'mutualTLS', ...schemes.mtls },
    });
  });

  it('says what is needed under the names of both versions, for the agent and for a skill', () => {
    const securityRequirements: JsonObject[] = [
      { schemes: { oauth: { list: ['read'] } } },
      { schemes: { key: { list: [] } } },
    ];
    const card = hybrid({ securityRequirements, skills: [{ ...CARD.skills[0]!, securityRequirements }] });
    const security = [{ oauth: ['read'] }, { key: [] }];
    expect(card).toMatchObject({ security, skills: [{ id: 's', security }] });
    expect(card.securityRequirements).toHaveLength(2);
  });
});
