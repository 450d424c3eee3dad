import { defineAgent, Reject } from 'perdure';

/** Has another agent do what it is told: a data part with the `peer` and the `errand`, the data for the peer. */
export default defineAgent({
  card: { name: 'Errand', description: 'Has another agent do it.', defaultInputModes: ['application/json'] },
  async run(task) {
    const { peer, errand } = (task.message.parts?.[0]?.data ?? {}) as { peer?: string; errand?: object };
    if (!peer || !errand) throw new Reject('Say which peer, and what it is to do.');
    const { message } = await task.delegate(peer, { data: errand } as object, { relay: true });
    return ['The peer says: ', ...(message?.parts ?? [])];
  },
});
