/** What the protocol lives by, one switch each; a variant gives one up. */
export const RULES = {
  /** A run's write names its token. */
  writesNameToken: true,
  /** A run's write names the newest event it knows. */
  writesNameSequence: true,
  /** Completing names the number of the client's messages; so does asking. */
  completingNamesInputs: true,
  askingNamesInputs: true,
  /** A settlement gives the lease back in its own commit. */
  settlingReleases: true,
  claimRaisesToken: true,
  /** A rest that waits for a signal names how many have come. */
  restingNamesSignals: true,
  /** A signal that makes a task due raises its token. */
  signalRaisesToken: true,
  /** A task that is held does not listen. */
  claimEndsListening: true,
  /** Only what is due is claimed. */
  claimWantsDue: true,
  renewalNamesToken: true,
  cancelRaisesToken: true,
  handBackRaisesToken: true,
  interruptRaisesToken: true,
  nextTurnNamesToken: true,
  /** An eager start holds a lease that ends, and is not due before. */
  eagerLeaseEnds: true,
  eagerLeaseHolds: true,
  /** A job is written in the transaction that makes its task due. */
  jobsWithTheChange: true,
  /** Somebody looks for what is due and not run. */
  reaperLooks: true,
  /** A commit of unknown outcome is read back. */
  doubtIsRead: true,
  /** An idempotency key is taken in the transaction of what it stands for. */
  keysAreUnique: true,
  /** A message's key is looked up under the task's lock before its state is. */
  keyBeforeState: true,
  /** Clients hear of what is committed, of nothing else. */
  answersAfterCommit: true,
  /** Recorded calls are not made again. */
  replayReadsJournal: true,
  /** A draining process ends when no slot is taken, be it by a claim or an acceptance under way. */
  drainWaitsForSlots: true,
  /** A draining process hands its runs back. */
  drainHandsBack: true,
  /** A drain leaves the count of failures to the row. */
  drainKeepsAttempt: true,
};

export type Rules = typeof RULES;
