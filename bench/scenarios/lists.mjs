import { milliseconds, whole } from '../numbers.mjs';
import { PERDURE_DATABASE } from '../laboratory.mjs';

const DATABASE = 'perdure_lists';
const TASKS = 10_000;
const PAGE_SIZE = 50;
/** Tasks in front of the deep page. */
const DEPTH = 9_000;
const TIMES = 300;
const PATH = '/agents/echo';

/** ListTasks: the first page and a deep one, over 10,000 tasks, and over all that the other scenarios have left behind. */
export async function lists(lab) {
  await lab.postgres.createDatabase(DATABASE);
  const rows = [await pages(lab, DATABASE, fill)];
  const left = await countTasks(lab.postgres, PERDURE_DATABASE);
  if (left > TASKS) rows.push(await pages(lab, PERDURE_DATABASE));
  return {
    title: 'ListTasks',
    text: [
      `Pages of ${PAGE_SIZE}, one connection, ${TIMES} calls of each; the deep page begins behind ${whole(DEPTH)} tasks. The tasks were made through the API.`,
    ],
    tables: [{ columns: ['tasks', 'first page p50 ms', 'p99 ms', 'deep page p50 ms', 'p99 ms', 'errors'], rows }],
    bars: [],
  };
}

async function fill(lab, server) {
  const job = { exchange: 'echo', path: PATH, connections: 64, times: TASKS };
  const { errors, firstError } = await lab.measure(server, job);
  if (errors > 0) throw new Error(`cannot fill the list: ${firstError}`);
}

async function pages(lab, database, prepare) {
  return lab.withServer(
    'perdure',
    async (server) => {
      await prepare?.(lab, server);
      // As autovacuum does by itself a little later.
      await lab.postgres.query(database, 'vacuum analyze');
      const tasks = await countTasks(lab.postgres, database);
      const first = await page(lab, server, '');
      const deep = await page(lab, server, await deepToken(server));
      return [
        whole(tasks),
        ...[first.p50, first.p99, deep.p50, deep.p99].map(milliseconds),
        first.errors + deep.errors,
      ];
    },
    { database },
  );
}

function page(lab, server, pageToken) {
  const params = { pageSize: PAGE_SIZE, pageToken };
  return lab.measure(server, {
    exchange: 'rpc',
    path: PATH,
    method: 'ListTasks',
    params,
    contains: 'TASK_STATE_COMPLETED',
    times: TIMES,
  });
}

/** The token of the page behind DEPTH tasks, found as a client finds it: page by page. */
async function deepToken(server) {
  let pageToken = '';
  for (let seen = 0; seen < DEPTH; seen += PAGE_SIZE) {
    const body = JSON.stringify({
      jsonrpc: '2.0',
      id: 1,
      method: 'ListTasks',
      params: { pageSize: PAGE_SIZE, pageToken },
    });
    const headers = { 'content-type': 'application/json', 'a2a-version': '1.0' };
    const response = await fetch(`http://127.0.0.1:${server.port}${PATH}`, { method: 'POST', headers, body });
    const { result, error } = await response.json();
    if (!result?.nextPageToken)
      throw new Error(`no page behind ${seen} tasks: ${JSON.stringify(error ?? 'the list ends')}`);
    pageToken = result.nextPageToken;
  }
  return pageToken;
}

async function countTasks(postgres, database) {
  const [{ there }] = await postgres.query(database, "select to_regclass('perdure.tasks') is not null as there");
  if (!there) return 0;
  const [{ count }] = await postgres.query(database, 'select count(*)::int from perdure.tasks');
  return count;
}
