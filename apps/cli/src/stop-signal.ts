import { constants } from 'node:os';

/** Through npx, one Ctrl-C arrives twice: from the terminal, and passed on by npm. That is no second request. */
const SAME_REQUEST_MS = 250;
const PARENT_CHECK_MS = 500;

/**
 * Resolves at the first SIGTERM or SIGINT, or when the npx that runs this process is killed. From then on, a further
 * signal ends the process at once with the exit code it stands for (143, 130), after a call of `atOnce`.
 */
export function stopSignal(atOnce: () => void = () => undefined): Promise<void> {
  return new Promise((resolve) => {
    let stoppingSince: number | undefined;
    const onSignal = (signal: NodeJS.Signals) => {
      if (stoppingSince === undefined) {
        stoppingSince = Date.now();
        resolve();
      } else if (Date.now() - stoppingSince > SAME_REQUEST_MS) {
        atOnce();
        process.exit(128 + constants.signals[signal]);
      }
    };
    process.on('SIGTERM', onSignal);
    process.on('SIGINT', onSignal);
    if (process.env.npm_command === 'exec') whenOrphaned(resolve);
  });
}

/** npx runs a command in a shell that a signal ends without reaching the command: then the shell is not its parent any more. */
function whenOrphaned(stop: () => void): void {
  const parent = process.ppid;
  const timer = setInterval(() => {
    if (process.ppid === parent) return;
    clearInterval(timer);
    stop();
  }, PARENT_CHECK_MS);
  timer.unref();
}
