import { milliseconds, whole } from '../numbers.mjs';

/** GET of the agent card, one connection. */
export async function card(lab) {
  const rows = [];
  for (const name of ['perdure', 'sdk in memory']) rows.push(await fetches(lab, name));
  const columns = ['server', 'p50 ms', 'p99 ms', 'cards/s', 'errors'];
  return { title: 'Agent card', text: ['One connection.'], tables: [{ columns, rows }], bars: [] };
}

async function fetches(lab, name) {
  return lab.withServer(name, async (server) => {
    const path = '/agents/echo/.well-known/agent-card.json';
    const { p50, p99, perSecond, errors } = await lab.measure(server, {
      exchange: 'get',
      path,
      contains: 'supportedInterfaces',
    });
    return [name, milliseconds(p50), milliseconds(p99), whole(perSecond), errors];
  });
}
