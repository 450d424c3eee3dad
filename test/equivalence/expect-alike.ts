import { expect } from 'vitest';
import { type Binding, BINDINGS, type ProtocolClient } from '../support/protocol-client.js';
import { outcomeOf, type Row } from './row.js';

/** Runs a row over each of its bindings, one after the other: all must come out as it expects, and exactly alike. */
export async function expectAlike(
  row: Row,
  client: (binding: Binding, agent: string) => ProtocolClient,
): Promise<void> {
  const outcomes: { binding: Binding; outcome: unknown }[] = [];
  for (const binding of row.over ?? BINDINGS) {
    outcomes.push({ binding, outcome: await outcomeOf(row, client(binding, row.agent ?? 'conformance')) });
  }
  // Each with the expectation first: a wrong first binding must not be what the others are measured by.
  for (const { binding, outcome } of outcomes) {
    expect({ binding, outcome }).toMatchObject({ binding, outcome: row.expected });
  }
  for (const { binding, outcome } of outcomes) {
    expect({ binding, outcome }).toEqual({ binding, outcome: outcomes[0]!.outcome });
  }
}
