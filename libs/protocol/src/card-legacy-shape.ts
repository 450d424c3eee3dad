import { type FieldsShape, type Shape } from './card-shape.js';

const TEXTS: Shape = { list: 'text' };
const REQUIREMENTS: Shape = { list: { map: TEXTS } };

function fields(
  required: Readonly<Record<string, Shape>>,
  optional: Readonly<Record<string, Shape>> = {},
): FieldsShape {
  return { fields: { ...required, ...optional }, required: Object.keys(required) };
}

/** The agent card of A2A 0.3 (`AgentCard` in its JSON schema, specification/json/a2a.json of v0.3.0). */
export const LEGACY_CARD_SHAPE = fields(
  {
    name: 'text',
    description: 'text',
    version: 'text',
    protocolVersion: 'text',
    url: 'text',
    capabilities: fields(
      {},
      {
        streaming: 'flag',
        pushNotifications: 'flag',
        stateTransitionHistory: 'flag',
        extensions: { list: fields({ uri: 'text' }, { description: 'text', required: 'flag', params: 'object' }) },
      },
    ),
    defaultInputModes: TEXTS,
    defaultOutputModes: TEXTS,
    skills: {
      list: fields(
        { id: 'text', name: 'text', description: 'text', tags: TEXTS },
        { examples: TEXTS, inputModes: TEXTS, outputModes: TEXTS, security: REQUIREMENTS },
      ),
    },
  },
  {
    preferredTransport: 'text',
    additionalInterfaces: { list: fields({ url: 'text', transport: 'text' }) },
    provider: fields({ organization: 'text', url: 'text' }),
    documentationUrl: 'text',
    iconUrl: 'text',
    security: REQUIREMENTS,
    securitySchemes: {
      map: fields(
        { type: 'text' },
        {
          ...{ description: 'text', in: 'text', name: 'text', scheme: 'text', bearerFormat: 'text' },
          ...{ flows: 'object', oauth2MetadataUrl: 'text', openIdConnectUrl: 'text' },
        },
      ),
    },
    signatures: { list: fields({ protected: 'text', signature: 'text' }, { header: 'object' }) },
    supportsAuthenticatedExtendedCard: 'flag',
  },
);
