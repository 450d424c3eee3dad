import { fromJson, toJson } from '@bufbuild/protobuf';
import { describe, expect, it } from 'vitest';
import { type AgentCardJson, AgentCardSchema, type AgentInterfaceJson, AgentInterfaceSchema, v03 } from '#protocol';
import { cardTo03 } from './grpc-card.js';

const skill = {
  ...{ id: 's', name: 'Say', description: 'Says it', tags: ['a'], examples: ['e'] },
  ...{ inputModes: ['text/plain'], outputModes: ['text/html'] },
};
const oauth = { authorizationUrl: 'https://a', tokenUrl: 'https://t', scopes: { read: 'Reads' } };

const card: AgentCardJson = {
  ...{ name: 'Echo', description: 'Says what you say', version: '2.1.0', documentationUrl: 'https://docs' },
  ...{ defaultInputModes: ['text/plain'], defaultOutputModes: ['text/plain'], iconUrl: 'https://icon' },
  supportedInterfaces: [{ url: 'https://a.example/1.0', protocolBinding: 'JSONRPC', protocolVersion: '1.0' }],
  provider: { url: 'https://p', organization: 'P' },
  capabilities: {
    ...{ streaming: true, pushNotifications: false, extendedAgentCard: true },
    extensions: [{ uri: 'urn:x', description: 'd', required: true, params: { k: 1 } }],
  },
  securitySchemes: {
    key: { apiKeySecurityScheme: { location: 'header', name: 'x-key', description: 'd' } },
    http: { httpAuthSecurityScheme: { scheme: 'Bearer', bearerFormat: 'JWT' } },
    oauth: { oauth2SecurityScheme: { flows: { authorizationCode: { ...oauth, pkceRequired: true } } } },
    device: {
      oauth2SecurityScheme: {
        flows: { deviceCode: { deviceAuthorizationUrl: 'https://d', tokenUrl: 'https://t', scopes: {} } },
      },
    },
    oidc: { openIdConnectSecurityScheme: { openIdConnectUrl: 'https://o' } },
    mtls: { mtlsSecurityScheme: { description: 'd' } },
  },
  securityRequirements: [{ schemes: { key: { list: [] }, oauth: { list: ['read'] } } }],
  skills: [{ ...skill, securityRequirements: [{ schemes: { http: { list: [] } } }] }],
  signatures: [{ protected: 'p', signature: 's' }],
};

function to03(interfaces: AgentInterfaceJson[]) {
  const translated = cardTo03(
    fromJson(AgentCardSchema, card),
    interfaces.map((json) => fromJson(AgentInterfaceSchema, json)),
  );
  return toJson(v03.AgentCardSchema, translated);
}

describe('a card in a2a.v1', () => {
  it('says what the card of 1.0 says, under the names of 0.3 and without what 0.3 does not know', () => {
    expect(to03([])).toEqual({
      ...{ name: 'Echo', description: 'Says what you say', version: '2.1.0', documentationUrl: 'https://docs' },
      ...{ defaultInputModes: ['text/plain'], defaultOutputModes: ['text/plain'] },
      protocolVersion: '0.3.0',
      provider: { url: 'https://p', organization: 'P' },
      capabilities: {
        streaming: true,
        extensions: [{ uri: 'urn:x', description: 'd', required: true, params: { k: 1 } }],
      },
      supportsAuthenticatedExtendedCard: true,
      securitySchemes: {
        key: { apiKeySecurityScheme: { location: 'header', name: 'x-key', description: 'd' } },
        http: { httpAuthSecurityScheme: { scheme: 'Bearer', bearerFormat: 'JWT' } },
        oauth: { oauth2SecurityScheme: { flows: { authorizationCode: oauth } } },
        device: { oauth2SecurityScheme: { flows: {} } },
        oidc: { openIdConnectSecurityScheme: { openIdConnectUrl: 'https://o' } },
        mtls: { mtlsSecurityScheme: { description: 'd' } },
      },
      security: [{ schemes: { key: {}, oauth: { list: ['read'] } } }],
      skills: [{ ...skill, security: [{ schemes: { http: {} } }] }],
    });
  });

  it('has its first address as its own, and all of them beside it', () => {
    const grpc = { url: 'a.example:443', protocolBinding: 'GRPC', protocolVersion: '0.3' };
    const rest = { url: 'https://a.example', protocolBinding: 'HTTP+JSON', protocolVersion: '0.3' };
    expect(to03([grpc, rest])).toMatchObject({
      ...{ url: 'a.example:443', preferredTransport: 'GRPC' },
      additionalInterfaces: [
        { url: 'a.example:443', transport: 'GRPC' },
        { url: 'https://a.example', transport: 'HTTP+JSON' },
      ],
    });
  });
});
