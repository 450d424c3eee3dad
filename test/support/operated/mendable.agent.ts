import { existsSync } from 'node:fs';
import { defineAgent } from 'perdure';

/** Loads, and then sends for as long as the file that the message names is there; else it fails. */
export default defineAgent({
  card: { name: 'Mendable', description: 'Fails until it is mended.' },
  retry: { attempts: 1 },
  async run(task) {
    const file = task.message.parts![0]!.text!;
    const rows = await task.step('load', () => ({ rows: 42 }));
    await task.step('send', () => {
      if (!existsSync(file)) throw new Error('the ledger is down');
    });
    if (file.endsWith('.ask')) await task.requestInput('Send it?');
    if (file.endsWith('.wait')) return `Paid ${JSON.stringify(await task.waitFor('paid'))}`;
    return `Sent ${rows.rows}`;
  },
});
