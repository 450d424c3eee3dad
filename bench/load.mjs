import { fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';

/** The load generator's process, seen from the benchmark. */
export class Load {
  #process = fork(fileURLToPath(new URL('load-generator.mjs', import.meta.url)), { serialization: 'advanced' });

  /**
   * Has a job done, see load-generator.mjs; one at a time. `onMark` is called with `start` and `end` of the measured
   * time. Rejects when the job cannot be done.
   */
  run(job, onMark = () => undefined) {
    return new Promise((resolve, reject) => {
      const settle = (action) => (value) => {
        this.#process.removeAllListeners();
        action(value);
      };
      this.#process.once('exit', () => settle(reject)(new Error('the load generator has ended')));
      this.#process.on('message', ({ mark, error, result }) => {
        if (mark) onMark(mark);
        else if (error) settle(reject)(new Error(`load on ${job.exchange}: ${error}`));
        else settle(resolve)(result);
      });
      this.#process.send(job);
    });
  }

  close() {
    if (this.#process.connected) this.#process.disconnect();
  }
}
