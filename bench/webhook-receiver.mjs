import { fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';

/** The process that receives webhooks (receiver-program.mjs), seen from the benchmark. */
export class WebhookReceiver {
  #process = fork(fileURLToPath(new URL('receiver-program.mjs', import.meta.url)));
  /** Answers every request with 204. */
  url;
  /** Takes connections and what comes on them, and never answers. */
  holeUrl;

  static async start() {
    const receiver = new WebhookReceiver();
    Object.assign(receiver, await receiver.#ask('start'));
    return receiver;
  }

  /** Counts from 0 again. */
  reset() {
    return this.#ask('reset');
  }

  /**
   * What has come since: `{ requests, events, unsigned, perSecond, latencies }`; the rate from the first to the last of them, a
   * latency in milliseconds from an event's own time to its first arrival.
   */
  report() {
    return this.#ask('report');
  }

  /** Closes what hangs in the hole. */
  release() {
    return this.#ask('release');
  }

  close() {
    if (this.#process.connected) this.#process.disconnect();
  }

  #ask(wish) {
    return new Promise((resolve, reject) => {
      const gone = () => reject(new Error('the receiver has ended'));
      this.#process.once('exit', gone);
      this.#process.once('message', (answer) => {
        this.#process.off('exit', gone);
        resolve(answer);
      });
      this.#process.send(wish);
    });
  }
}
