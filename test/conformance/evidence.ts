import { TABLE } from '../equivalence/table.js';
import { BINDINGS } from '../support/protocol-client.js';
import { type Place } from './case.js';
import { CASES } from './cases.js';

/** What speaks for requirements at some places. */
export interface Evidence {
  readonly name: string;
  readonly requirements: readonly string[];
  readonly places: readonly Place[];
  /** The tests behind it at a place, by their full names; all of them must pass. */
  tests(place: Place): readonly string[];
}

/** What equal answers over all bindings show, by the topic of the rows. */
const SHOWN_BY_ROWS: Readonly<Record<string, readonly string[]>> = {
  sending: ['BIND-EQUIV-001', 'BIND-EQUIV-002'],
  reading: ['BIND-EQUIV-001', 'BIND-EQUIV-002'],
  streaming: ['BIND-EQUIV-001', 'BIND-EQUIV-002'],
  'service parameters and tenants': ['BIND-EQUIV-002'],
  errors: ['BIND-EQUIV-003'],
  webhooks: ['BIND-EQUIV-002', 'BIND-EQUIV-003'],
  validation: ['BIND-EQUIV-003'],
};

/** The conformance cases, then the topics of the equivalence table. */
export const EVIDENCE: readonly Evidence[] = [...conformanceCases(), ...equivalenceTopics()];

function conformanceCases(): Evidence[] {
  return Object.entries(CASES).flatMap(([topic, cases]) =>
    cases.map(({ name, requirements, over = BINDINGS }) => ({
      name: topic === 'the agent card' ? `the card ${name}` : name,
      requirements,
      places: over,
      tests: (place: Place) => [`${topic} > ${name} > over ${place}`],
    })),
  );
}

function equivalenceTopics(): Evidence[] {
  return Object.entries(TABLE).map(([topic, rows]) => ({
    name: `${rows.length} rows of the equivalence table: ${topic}`,
    requirements: SHOWN_BY_ROWS[topic] ?? [],
    places: BINDINGS,
    tests: () => rows.map(({ name }) => `${topic} > ${name}`),
  }));
}
