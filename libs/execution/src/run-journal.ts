import { type JournalRecord } from '#store';
import { OverLimitError } from '#tasks';
import { NonDeterministicHandlerError } from './handler-errors.js';

/** One durable call of a handler: its place in the turn, and what it was recorded as, if it was. */
export interface RecordedCall {
  /** Names the place within the task: turn, branch and position. */
  readonly place: string;
  readonly recorded: JournalRecord | undefined;
  /** The record to write for this call. */
  record(value: string | null): JournalRecord;
  /** The calls that are made within this one, by branch where it has several. */
  within(branch?: string): CallSequence;
}

/** The version of the agent that began the turn, where it was noted, and the one that runs now. */
export interface RecordedVersions {
  readonly recorded: string | null;
  readonly running: string;
}

/** What a turn has recorded, and room for what it records now. */
export class RunJournal {
  private readonly recorded: Map<string, JournalRecord>;
  private count: number;

  constructor(
    private readonly turn: number,
    records: readonly JournalRecord[],
    private readonly parts: { readonly maxRecords: number; readonly versions: RecordedVersions },
  ) {
    this.recorded = new Map(records.map((record) => [`${record.branch}:${record.position}`, record]));
    this.count = records.length;
  }

  /** The calls of a branch, from its first; of the handler itself, where no path is given. */
  calls(branch = ''): CallSequence {
    return new CallSequence(this, branch);
  }

  /**
   * The call at a place.
   * @throws NonDeterministicHandlerError when another call was recorded there.
   */
  at(branch: string, position: number, kind: string, name: string | null): RecordedCall {
    const { turn } = this;
    const recorded = this.recorded.get(`${branch}:${position}`);
    if (recorded && (recorded.kind !== kind || recorded.name !== name)) {
      throw new NonDeterministicHandlerError(
        `call ${position} of ${branch === '' ? 'the handler' : `branch ${branch}`} is ${label(kind, name)}, but when it ` +
          `ran before it was ${label(recorded.kind, recorded.name)}; a handler must make the same calls in the same ` +
          `order each time it runs (${explained(this.parts.versions)})`,
      );
    }
    const path = branch === '' ? String(position) : `${branch}-${position}`;
    return {
      place: `${turn}-${path}`,
      recorded,
      record: (value) => this.counted({ turn, branch, position, kind, name, value }),
      within: (inner) =>
        this.calls([branch, position, inner].filter((part) => part !== '' && part !== undefined).join('.')),
    };
  }

  /** All that a turn has recorded is read at each replay. */
  private counted(record: JournalRecord): JournalRecord {
    const { maxRecords } = this.parts;
    if (++this.count <= maxRecords) return record;
    const fact = `the turn has ${maxRecords} recorded calls; that is the limit`;
    throw new OverLimitError(fact, 'PERDURE_MAX_RECORDS', 'do more in one step');
  }
}

/** Numbers the durable calls of the handler, or of one branch: 1, 2, 3 … in the order in which they are made. */
export class CallSequence {
  private position = 0;

  constructor(
    private readonly journal: RunJournal,
    private readonly branch: string,
  ) {}

  /**
   * The next call.
   * @throws NonDeterministicHandlerError when another call was recorded at this place.
   */
  next(kind: string, name: string | null = null): RecordedCall {
    return this.journal.at(this.branch, ++this.position, kind, name);
  }
}

function explained({ recorded, running }: RecordedVersions): string {
  if (recorded === null) return `this is version ${running}`;
  if (recorded === running)
    return `recorded by this version, ${running}: the way of the calls depends on something else`;
  return `recorded by version ${recorded}; this is ${running}`;
}

function label(kind: string, name: string | null): string {
  return name === null ? kind : `${kind} "${name}"`;
}
