/*
 * Preloaded into a process under test: its wall clock can be set off, by a message `{ clockMs }` from its parent. Timers
 * and performance.now() go on as they do when somebody sets the clock of a machine. The process ends with its parent.
 */
const RealDate = Date;
let offMs = 0;

globalThis.Date = class Date extends RealDate {
  constructor(...time) {
    if (time.length === 0) super(RealDate.now() + offMs);
    else super(...time);
  }

  static now() {
    return RealDate.now() + offMs;
  }

  /** Dates that were made before, or by node itself, are dates too. */
  static [Symbol.hasInstance](value) {
    return value instanceof RealDate;
  }
};

process.on('message', ({ clockMs }) => (offMs = clockMs));
process.on('disconnect', () => process.exit());
// The channel alone does not keep the process running.
process.channel?.unref();
