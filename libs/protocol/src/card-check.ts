import { cardError, type CardFinding, cardWarning } from './card-finding.js';
import { interfaceFindings, legacyInterfaceFindings } from './card-interface-check.js';
import { LEGACY_CARD_SHAPE } from './card-legacy-shape.js';
import { legacySecurityFindings, securityFindings } from './card-security-check.js';
import { bothShapes, isObject, messageShape, objectsOf, type Shape, shapeFindings } from './card-shape.js';
import { AgentCardSchema } from './gen/lf/a2a/v1/a2a_pb.js';
import { jsonViolation } from './json-guard.js';
import { elementPath } from './json-path.js';

/** For which clients a card is written: A2A 1.0, 0.3, or both at once (`hybrid`). */
export type CardDialect = '1.0' | '0.3' | 'hybrid';

/** What a check found out about a card. */
export interface CardReport {
  readonly dialect: CardDialect;
  readonly findings: readonly CardFinding[];
}

const LEGACY_MEMBERS = ['url', 'protocolVersion', 'preferredTransport', 'additionalInterfaces', 'security'];

const SHAPES: Readonly<Record<CardDialect, Shape>> = {
  '1.0': messageShape(AgentCardSchema),
  '0.3': LEGACY_CARD_SHAPE,
  hybrid: bothShapes(messageShape(AgentCardSchema), LEGACY_CARD_SHAPE),
};

/**
 * Everything that is wrong with a parsed agent card, of whatever version, by itself: fields, addresses, skills, extensions and
 * security, with the path of each. What takes the network, its signatures and how it is served, is not looked at.
 */
export function checkCard(card: unknown): CardReport {
  const unfit = jsonViolation(card);
  const dialect = isObject(card) ? dialectOf(card) : '1.0';
  if (unfit) return { dialect, findings: [cardError(unfit.field, unfit.description)] };
  const shape = shapeFindings(SHAPES[dialect], card);
  return { dialect, findings: isObject(card) ? [...shape, ...meaningFindings(card, dialect)] : shape };
}

function dialectOf(card: Readonly<Record<string, unknown>>): CardDialect {
  const isLegacy = LEGACY_MEMBERS.some((name) => name in card);
  if (!isLegacy) return '1.0';
  return 'supportedInterfaces' in card ? 'hybrid' : '0.3';
}

function meaningFindings(card: Readonly<Record<string, unknown>>, dialect: CardDialect): CardFinding[] {
  const { capabilities } = card;
  return [
    ...(dialect === '0.3' ? [] : [...interfaceFindings(card.supportedInterfaces), ...securityFindings(card)]),
    ...(dialect === '1.0' ? [] : [...legacyInterfaceFindings(card), ...legacySecurityFindings(card)]),
    ...repetitions(card.skills, 'skills', 'id'),
    ...(isObject(capabilities) ? extensionFindings(capabilities.extensions) : []),
  ];
}

function extensionFindings(extensions: unknown): CardFinding[] {
  const field = 'capabilities.extensions';
  const relative = objectsOf(extensions).filter(([{ uri }]) => typeof uri === 'string' && !URL.canParse(uri));
  return [
    ...relative.map(([, index]) => cardWarning(`${elementPath(field, index)}.uri`, 'is not an absolute URI')),
    ...repetitions(extensions, field, 'uri'),
  ];
}

function repetitions(list: unknown, field: string, name: string): CardFinding[] {
  const seen = new Map<unknown, number>();
  return objectsOf(list).flatMap(([item, index]) => {
    const value = item[name];
    const first = seen.get(value);
    if (first === undefined) seen.set(value, index);
    const isRepeated = first !== undefined && typeof value === 'string';
    return isRepeated
      ? [cardError(`${elementPath(field, index)}.${name}`, `is the same as in ${elementPath(field, first)}`)]
      : [];
  });
}
