import { describe, expect, it } from 'vitest';
import { checkCard } from './card-check.js';
import { LEGACY_CARD_SHAPE } from './card-legacy-shape.js';
import vectors from './card-signature.vectors.json' with { type: 'json' };

const SKILL = { id: 'sum', name: 'Sum', description: 'Adds', tags: ['maths'] };
const JSONRPC = { url: 'https://example.com/a', protocolBinding: 'JSONRPC', protocolVersion: '1.0' };
const CARD = {
  name: 'Sums',
  description: 'Adds up',
  version: '1.0.0',
  supportedInterfaces: [
    JSONRPC,
    { url: 'example.com:443', protocolBinding: 'GRPC', protocolVersion: '1.0', tenant: 'a' },
  ],
  provider: { organization: 'Example', url: 'https://example.com' },
  capabilities: { streaming: true, extensions: [{ uri: 'https://example.com/x/v1', params: { any: [1] } }] },
  securitySchemes: {
    key: { apiKeySecurityScheme: { location: 'header', name: 'X-Key' } },
    login: { oauth2SecurityScheme: { flows: { clientCredentials: { tokenUrl: 'https://id.example', scopes: {} } } } },
  },
  securityRequirements: [{ schemes: { key: { list: [] } } }],
  defaultInputModes: ['text/plain'],
  defaultOutputModes: ['text/plain'],
  skills: [{ ...SKILL, securityRequirements: [{ schemes: { login: { list: ['read'] } } }] }],
  signatures: [{ protected: 'a', signature: 'b', header: { any: 1 } }],
};
const LEGACY = {
  name: 'Sums',
  description: 'Adds up',
  version: '1.0.0',
  protocolVersion: '0.3.0',
  url: 'https://example.com/a',
  preferredTransport: 'JSONRPC',
  additionalInterfaces: [{ url: 'https://example.com/a', transport: 'JSONRPC' }],
  capabilities: { streaming: true, stateTransitionHistory: false },
  securitySchemes: { key: { type: 'apiKey', in: 'header', name: 'X-Key' } },
  security: [{ key: [] }],
  defaultInputModes: ['text/plain'],
  defaultOutputModes: ['text/plain'],
  skills: [SKILL],
  supportsAuthenticatedExtendedCard: false,
};
const { securitySchemes: _schemes, securityRequirements: _requirements, ...OPEN } = CARD;
const HYBRID = { ...OPEN, skills: [SKILL], url: LEGACY.url, protocolVersion: '0.3.0', preferredTransport: 'JSONRPC' };

const told = (card: unknown) =>
  checkCard(JSON.parse(JSON.stringify(card))).findings.map(
    ({ level, field, message }) => `${level} ${field}: ${message}`,
  );

describe('a sound card', () => {
  it.each([
    ['1.0', CARD],
    ['0.3', LEGACY],
    ['hybrid', HYBRID],
  ])('of %s has nothing wrong, and is told apart', (dialect, card) => {
    expect(checkCard(card)).toEqual({ dialect, findings: [] });
  });

  it('is every vector that has all the required fields', () => {
    expect(told(vectors.vectors.find(({ name }) => name === 'plain')!.card)).toEqual([]);
  });
});

describe('a broken card of 1.0', () => {
  it.each(
    ['name', 'description', 'version', 'supportedInterfaces', 'capabilities', 'defaultInputModes'].concat(
      'skills',
      'defaultOutputModes',
    ),
  )('lacks %s', (field) => {
    const { [field]: _gone, ...rest } = CARD as Record<string, unknown>;
    expect(told(rest)).toContain(`error ${field}: is required`);
  });

  const first = (change: object) => ({ supportedInterfaces: [{ ...JSONRPC, ...change }] });
  const skill = (change: object) => ({ skills: [{ ...SKILL, ...change }] });
  it.each([
    [{ name: '' }, 'error name: is required and must not be empty'],
    [{ name: 7 }, 'error name: must be a string, not number'],
    [{ iconUrl: null }, 'error iconUrl: must be a string, not null'],
    [{ skills: [] }, 'error skills: must have at least one element'],
    [{ skills: {} }, 'error skills: must be an array, not object'],
    [skill({ tags: 'maths' }), 'error skills[0].tags: must be an array, not string'],
    [skill({ tags: ['a', 1] }), 'error skills[0].tags[1]: must be a string, not number'],
    [skill({ id: undefined }), 'error skills[0].id: is required'],
    [{ skills: ['sum'] }, 'error skills[0]: must be an object, not string'],
    [{ skills: [SKILL, { ...SKILL, name: 'Again' }] }, 'error skills[1].id: is the same as in skills[0]'],
    [{ capabilities: { streaming: 'yes' } }, 'error capabilities.streaming: must be true or false, not string'],
    [{ capabilities: [] }, 'error capabilities: must be an object, not array'],
    [
      { capabilities: { extensions: [{ uri: 'x/v1' }] } },
      'warning capabilities.extensions[0].uri: is not an absolute URI',
    ],
    [
      { capabilities: { extensions: [{ uri: 'urn:a' }, { uri: 'urn:a' }] } },
      'error capabilities.extensions[1].uri: is the same as in capabilities.extensions[0]',
    ],
    [
      { capabilities: { extensions: [{ uri: 'urn:a', params: [] }] } },
      'error capabilities.extensions[0].params: must be an object, not array',
    ],
    [{ protocol_versions: 1 }, 'warning protocol_versions: is not a field of the agent card'],
    [{ documentation_url: 'https://x' }, 'error documentation_url: must be written documentationUrl in JSON'],
    [{ ['__proto__x y']: 1 }, 'warning ["__proto__x y"]: is not a field'],
    [first({ url: '/a' }), 'error supportedInterfaces[0].url: must be an absolute URL'],
    [first({ url: 'ftp://example.com' }), 'error supportedInterfaces[0].url: must start with https://'],
    [first({ url: 'http://example.com' }), 'warning supportedInterfaces[0].url: is not encrypted'],
    [first({ url: 'https://u:p@example.com' }), 'error supportedInterfaces[0].url: must not contain credentials'],
    [first({ url: 'https://example.com/#a' }), 'warning supportedInterfaces[0].url: has a fragment'],
    [first({ protocolBinding: 'JSON-RPC' }), 'error supportedInterfaces[0].protocolBinding: must be written JSONRPC'],
    [
      first({ protocolBinding: 'http+json' }),
      'error supportedInterfaces[0].protocolBinding: must be written HTTP+JSON',
    ],
    [first({ protocolBinding: 'MQTT' }), 'warning supportedInterfaces[0].protocolBinding: is none of'],
    [first({ protocolVersion: 'v1' }), 'error supportedInterfaces[0].protocolVersion: must be Major.Minor'],
    [first({ protocolVersion: '1.0.0' }), 'warning supportedInterfaces[0].protocolVersion: should be Major.Minor'],
    [first({ protocolBinding: 'GRPC' }), 'warning supportedInterfaces[0].url: has a scheme'],
    [first({ protocolBinding: 'GRPC', url: 'example.com' }), 'error supportedInterfaces[0].url: must be host:port'],
    [
      { supportedInterfaces: [JSONRPC, JSONRPC] },
      'warning supportedInterfaces[1]: says the same as supportedInterfaces[0]',
    ],
    [
      { securityRequirements: [{ schemes: { nobody: { list: [] } } }] },
      'error securityRequirements[0]: names nobody, which is not in securitySchemes',
    ],
    [
      skill({ securityRequirements: [{ schemes: { constructor: { list: [] } } }] }),
      'error skills[0].securityRequirements[0]: names constructor',
    ],
    [{ securitySchemes: { s: {} } }, 'error securitySchemes.s: must have exactly one of apiKeySecurityScheme'],
    [
      { securitySchemes: { s: { mtlsSecurityScheme: {}, httpAuthSecurityScheme: { scheme: 'Bearer' } } } },
      'and has httpAuthSecurityScheme and mtlsSecurityScheme',
    ],
    [{ securitySchemes: { s: { apiKeySecurityScheme: { name: 'a' } } } }, 'apiKeySecurityScheme.location: is required'],
    [
      { securitySchemes: { s: { oauth2SecurityScheme: { flows: {} } } } },
      'error securitySchemes.s.oauth2SecurityScheme.flows: must have exactly one of',
    ],
    [{ securitySchemes: { s: { type: 'http', scheme: 'Bearer' } } }, 'warning securitySchemes.s.type: is not a field'],
    [{ signatures: [{ protected: 'a' }] }, 'error signatures[0].signature: is required'],
    [{ description: 'a\u0000' }, 'error description: contains the character U+0000'],
  ])('is told by field: %j', (change, expected) => {
    expect(told({ ...CARD, ...change })).toContainEqual(expect.stringContaining(expected));
  });

  it.each([['text'], [7], [null], [[]]])('is no object at all: %j', (card) => {
    expect(told(card)).toEqual([expect.stringMatching(/^error : must be an object, not /)]);
  });

  it('has all that is wrong with it told at once', () => {
    expect(told({ ...CARD, name: 1, version: '', skills: [{ ...SKILL, id: 2 }] })).toHaveLength(3);
  });
});

describe('a broken card of 0.3', () => {
  it.each(LEGACY_CARD_SHAPE.required)('lacks %s', (field) => {
    const { [field]: _gone, ...rest } = LEGACY as Record<string, unknown>;
    expect(told(rest)).toContain(`error ${field}: is required`);
  });

  it.each([
    [{ preferredTransport: 'jsonrpc' }, 'error preferredTransport: must be written JSONRPC'],
    [{ url: 'example' }, 'error url: must be an absolute URL'],
    [{ preferredTransport: 'GRPC' }, 'warning url: has a scheme'],
    [
      { additionalInterfaces: [{ url: 'x', transport: 'HTTP+JSON' }] },
      'error additionalInterfaces[0].url: must be an absolute',
    ],
    [
      { additionalInterfaces: [{ url: 'a:1', transport: 'GRPC' }] },
      'warning additionalInterfaces: should list the main url',
    ],
    [{ additionalInterfaces: [{ url: 'a:1' }] }, 'error additionalInterfaces[0].transport: is required'],
    [{ security: [{ other: [] }] }, 'error security[0]: names other'],
    [
      { securitySchemes: { key: { type: 'apiKey', in: 'header' } } },
      'error securitySchemes.key.name: is required for the type apiKey',
    ],
    [{ securitySchemes: { key: { type: 'magic' } } }, 'error securitySchemes.key.type: must be one of apiKey'],
    [{ securitySchemes: { key: {} } }, 'error securitySchemes.key.type: is required'],
    [{ protocolVersion: 'latest' }, 'error protocolVersion: must be Major.Minor'],
  ])('is told by field: %j', (change, expected) => {
    expect(told({ ...LEGACY, ...change })).toContainEqual(expect.stringContaining(expected));
  });
});

describe('a broken hybrid card', () => {
  it('must do for both kinds of clients', () => {
    const { protocolVersion: _, ...rest } = HYBRID;
    expect(told(rest)).toContain('error protocolVersion: is required');
    expect(told({ ...HYBRID, supportedInterfaces: [{ ...JSONRPC, url: 'x' }], url: 'y' })).toEqual([
      'error supportedInterfaces[0].url: must be an absolute URL',
      'error url: must be an absolute URL',
    ]);
  });
});
