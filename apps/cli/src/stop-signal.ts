import { constants } from 'node:os';

/** Through npx, one Ctrl-C arrives twice: from the terminal, and passed on by npm. That is no second request. */
const SAME_REQUEST_MS = 250;

/**
 * Resolves at the first SIGTERM or SIGINT. From then on, a further one ends the process at once with the exit code the
 * signal stands for (143, 130), after a call of `atOnce`.
 */
export function stopSignal(atOnce: () => void = () => undefined): Promise<NodeJS.Signals> {
  return new Promise((resolve) => {
    let stoppingSince: number | undefined;
    const onSignal = (signal: NodeJS.Signals) => {
      if (stoppingSince === undefined) {
        stoppingSince = Date.now();
        resolve(signal);
      } else if (Date.now() - stoppingSince > SAME_REQUEST_MS) {
        atOnce();
        process.exit(128 + constants.signals[signal]);
      }
    };
    process.on('SIGTERM', onSignal);
    process.on('SIGINT', onSignal);
  });
}
