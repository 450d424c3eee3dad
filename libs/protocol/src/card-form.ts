import canonicalizeModule from 'canonicalize';
import { isObject } from './card-shape.js';
import { AgentCardSchema } from './gen/lf/a2a/v1/a2a_pb.js';
import { decodeJson, jsonText } from './proto-json.js';

/**
 * What a signature is made over. The specification's rules (section 8.4.1) leave room, and signers fill it differently:
 * - `protocol`: the members of A2A 1.0's AgentCard by its presence rules: REQUIRED fields always, `optional` ones where they are
 *   set, others where they differ from their default. Fields of other versions are not covered.
 * - `received`: every member of the card as it stands, those that A2A 1.0 does not know too.
 * - `pruned`: `protocol` without empty texts, lists and objects at any depth, as the official SDKs of JavaScript and Python make it.
 */
export type CardForm = 'received' | 'protocol' | 'pruned';

/** A form with its canonical text (RFC 8785), the payload of a signature. */
export interface CanonicalCard {
  readonly form: CardForm;
  readonly text: string;
}

/**
 * The canonical texts of a parsed card, without its `signatures`. Forms that come to the same text are given once,
 * by the first of their names: a card of 1.0 with nothing empty in it has the form `protocol` alone. Throws A2AError INVALID_PARAMS for a value that is no AgentCard.
 */
export function canonicalForms(card: unknown): readonly CanonicalCard[] {
  const signed = isObject(card) ? withoutSignatures(card) : card;
  const known: unknown = JSON.parse(jsonText(AgentCardSchema, decodeJson(AgentCardSchema, signed)));
  const forms: CanonicalCard[] = [
    { form: 'protocol', text: canonicalText(known) },
    { form: 'received', text: canonicalText(signed) },
    { form: 'pruned', text: canonicalText(pruned(known) ?? {}) },
  ];
  return forms.filter(({ text }, index) => forms.findIndex((other) => other.text === text) === index);
}

function withoutSignatures({ signatures: _, ...card }: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return card;
}

/** The value without what is empty, undefined where nothing is left of it. */
function pruned(value: unknown): unknown {
  if (value === '' || value === null) return undefined;
  if (typeof value !== 'object') return value;
  if (Array.isArray(value)) {
    const items = value.map(pruned).filter((item) => item !== undefined);
    return items.length > 0 ? items : undefined;
  }
  const members = Object.entries(value).map(([name, member]) => [name, pruned(member)] as const);
  const filled = members.filter(([, member]) => member !== undefined);
  return filled.length > 0 ? Object.fromEntries(filled) : undefined;
}

// The package is CommonJS: its types show the function as a member of the module that it is in truth.
const canonicalize = canonicalizeModule as unknown as (value: unknown) => string | undefined;

function canonicalText(value: unknown): string {
  return canonicalize(value) ?? '{}';
}
