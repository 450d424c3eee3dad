import { whole } from './numbers.mjs';
import { PERDURE_DATABASE } from './laboratory.mjs';

const BATCH = 20_000;
const COMPLETED = 3;

/** Looks up every task that Perdure has answered for: COMPLETED, with events numbered 1, 2, 3 … up to its last. */
export async function audit(lab) {
  const found = { answered: lab.answered.size, whole: 0, events: 0 };
  const ids = [...lab.answered];
  await lab.postgres.connected(PERDURE_DATABASE, async (client) => {
    // Tables that were empty a moment ago are planned for as such otherwise, and read anew for each task.
    await client.query('analyze perdure.tasks, perdure.task_events');
    for (let from = 0; from < ids.length; from += BATCH) {
      const { rows } = await client.query(WHOLE, [ids.slice(from, from + BATCH), COMPLETED]);
      found.whole += rows[0].tasks;
      found.events += rows[0].events;
    }
  });
  const value = `${whole(found.whole)} of ${whole(found.answered)}`;
  return {
    title: 'Audit',
    text: [
      `Of ${whole(found.answered)} tasks that Perdure has answered for, ${whole(found.whole)} are in Postgres as COMPLETED, with ${whole(found.events)} events without a gap.`,
    ],
    tables: [],
    bars: [
      {
        name: 'answered tasks in Postgres, complete and gapless',
        value,
        bar: 'all',
        met: found.whole === found.answered,
      },
    ],
  };
}

const WHOLE = `
  select count(*)::int as tasks, coalesce(sum(e.events), 0)::int as events
  from unnest($1::uuid[]) answered(id)
  join perdure.tasks t on t.id = answered.id and t.state = $2
  cross join lateral (
    select count(*) as events, min(sequence) as first, max(sequence) as last
    from perdure.task_events e where e.tenant_id = t.tenant_id and e.task_id = t.id) e
  where e.first = 1 and e.last = t.last_sequence and e.events = t.last_sequence`;
