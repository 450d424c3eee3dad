import { cardError, type CardFinding } from './card-finding.js';
import { isObject, objectsOf } from './card-shape.js';
import { elementPath, memberPath } from './json-path.js';

type Card = Readonly<Record<string, unknown>>;

const SCHEMES = [
  'apiKeySecurityScheme',
  'httpAuthSecurityScheme',
  'oauth2SecurityScheme',
  'openIdConnectSecurityScheme',
  'mtlsSecurityScheme',
];
const FLOWS = ['authorizationCode', 'clientCredentials', 'implicit', 'password', 'deviceCode'];

/** What 0.3 wants of a scheme beside its type. */
const LEGACY_SCHEMES: Readonly<Record<string, readonly string[]>> = {
  apiKey: ['in', 'name'],
  http: ['scheme'],
  oauth2: ['flows'],
  openIdConnect: ['openIdConnectUrl'],
  mutualTLS: [],
};

/**
 * What is wrong with the security of a card of A2A 1.0 (specification section 4.5): schemes that are none or several at once,
 * requirements, of the card and of its skills, that name schemes which the card does not have.
 */
export function securityFindings(card: Card): CardFinding[] {
  return [
    ...schemesOf(card).flatMap(([name, scheme]) => schemeFindings(scheme, memberPath('securitySchemes', name))),
    ...requirementFindings(card, 'securityRequirements', ({ schemes }) => (isObject(schemes) ? schemes : {})),
  ];
}

/** The same for A2A 0.3, whose requirements stand in `security`, as in OpenAPI. */
export function legacySecurityFindings(card: Card): CardFinding[] {
  return [
    ...schemesOf(card).flatMap(([name, scheme]) => legacySchemeFindings(scheme, memberPath('securitySchemes', name))),
    ...requirementFindings(card, 'security', (requirement) => requirement),
  ];
}

function schemesOf({ securitySchemes }: Card): [string, Card][] {
  const entries = isObject(securitySchemes) ? Object.entries(securitySchemes) : [];
  return entries.filter((entry): entry is [string, Card] => isObject(entry[1]));
}

function schemeFindings(scheme: Card, field: string): CardFinding[] {
  const { oauth2SecurityScheme: oauth2 } = scheme;
  const flows = isObject(oauth2) && isObject(oauth2.flows) ? oauth2.flows : undefined;
  return [
    ...oneOf(SCHEMES, scheme, field),
    ...(flows ? oneOf(FLOWS, flows, `${field}.oauth2SecurityScheme.flows`) : []),
  ];
}

function oneOf(names: readonly string[], value: Card, field: string): CardFinding[] {
  const given = names.filter((name) => name in value);
  if (given.length === 1) return [];
  const found = given.length === 0 ? 'has none of them' : `has ${given.join(' and ')}`;
  return [cardError(field, `must have exactly one of ${names.join(', ')}, and ${found}`)];
}

function legacySchemeFindings(scheme: Card, field: string): CardFinding[] {
  const { type } = scheme;
  if (typeof type !== 'string') return [];
  const wanted = Object.hasOwn(LEGACY_SCHEMES, type) ? LEGACY_SCHEMES[type] : undefined;
  if (!wanted) return [cardError(`${field}.type`, `must be one of ${Object.keys(LEGACY_SCHEMES).join(', ')}`)];
  return wanted
    .filter((name) => !(name in scheme))
    .map((name) => cardError(`${field}.${name}`, `is required for the type ${type}`));
}

function requirementFindings(card: Card, member: string, schemesIn: (requirement: Card) => Card): CardFinding[] {
  const known = new Set(schemesOf(card).map(([name]) => name));
  const places: [unknown, string][] = [
    [card[member], member],
    ...objectsOf(card.skills).map(([skill, index]): [unknown, string] => {
      return [skill[member], `${elementPath('skills', index)}.${member}`];
    }),
  ];
  return places.flatMap(([requirements, field]) =>
    objectsOf(requirements).flatMap(([requirement, index]) =>
      Object.keys(schemesIn(requirement))
        .filter((name) => !known.has(name))
        .map((name) => cardError(elementPath(field, index), `names ${name}, which is not in securitySchemes`)),
    ),
  );
}
