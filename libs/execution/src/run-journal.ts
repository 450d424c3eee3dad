import { type JournalRecord } from '#store';
import { NonDeterministicHandlerError } from './handler-errors.js';

/** One durable call of a handler: its place in the turn, and what it was recorded as, if it was. */
export interface RecordedCall {
  readonly recorded: JournalRecord | undefined;
  /** The record to write for this call. */
  record(value: string | null): JournalRecord;
}

/** Numbers the durable calls of a turn and finds what was recorded for each. */
export class RunJournal {
  private readonly recorded: Map<number, JournalRecord>;
  private position = 0;

  constructor(
    private readonly turn: number,
    records: readonly JournalRecord[],
  ) {
    this.recorded = new Map(records.map((record) => [record.position, record]));
  }

  /**
   * The next call of the handler.
   * @throws NonDeterministicHandlerError when another call was recorded at this place.
   */
  next(kind: string, name: string | null = null): RecordedCall {
    const position = ++this.position;
    const recorded = this.recorded.get(position);
    if (recorded && (recorded.kind !== kind || recorded.name !== name)) {
      throw new NonDeterministicHandlerError(
        `call ${position} of the handler is ${label(kind, name)}, but when it ran before it was ` +
          `${label(recorded.kind, recorded.name)}; a handler must make the same calls in the same order each time it runs`,
      );
    }
    return { recorded, record: (value) => ({ turn: this.turn, position, kind, name, value }) };
  }
}

function label(kind: string, name: string | null): string {
  return name === null ? kind : `${kind} "${name}"`;
}
