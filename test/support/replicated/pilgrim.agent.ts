import { defineAgent } from 'perdure';

/** Of the deployment that this process is. */
const version = process.env.PILGRIM_VERSION ?? '1.0.0';

/** Sets out in one version, waits to be told to go on, and arrives perhaps in another. */
export default defineAgent({
  card: { name: 'Pilgrim', description: 'Outlives a deployment.', version },
  async run(task) {
    const first = await task.step('set out', () => version);
    await task.waitFor('on');
    const last = await task.step('arrive', () => version);
    return `From ${first} to ${last}`;
  },
});
