import { v7 as uuidv7 } from 'uuid';
import { milliseconds, percent, whole } from '../numbers.mjs';
import { median } from '../statistics.mjs';

const DATABASE = 'perdure_commits';
const BATCHES = [64, 1];
/** Tables of a task, with the column that holds its id. */
const TABLES = { tasks: 'id', task_messages: 'task_id', task_events: 'task_id' };

/**
 * What Postgres alone could take: the rows that an echo task leaves behind, inserted over one connection by bare `pg`,
 * each batch of tasks one statement and one commit. No update, no fence, no answer: nobody can be faster.
 */
export async function commits(lab, { sends }) {
  await lab.postgres.createDatabase(DATABASE);
  const inserts = await templateInserts(lab);
  const rows = [];
  for (const batch of BATCHES) {
    const connections = batch;
    const { tasksPerSecond, p50 } = await insertFor(lab, inserts, batch);
    const ours = sends?.perSecond(connections) ?? NaN;
    const rowsPerSecond = tasksPerSecond * inserts.rowsPerTask;
    rows.push([
      batch,
      whole(tasksPerSecond),
      whole(rowsPerSecond),
      milliseconds(p50),
      whole(ours),
      percent(ours / tasksPerSecond),
    ]);
  }
  return {
    title: 'Bare inserts of the same rows',
    text: [
      `${inserts.rowsPerTask} rows a task, all in their final form, one connection, one commit per batch: the ceiling. Ours: sends/s at as many connections, where every task is two commits and an update.`,
    ],
    tables: [{ columns: ['tasks a commit', 'tasks/s', 'rows/s', 'commit p50 ms', 'ours/s', 'our share'], rows }],
    bars: [],
  };
}

async function insertFor(lab, { statement, valuesOf }, batch) {
  const { warmUpMs, measureMs } = lab.durations;
  return lab.postgres.connected(DATABASE, async (client) => {
    const from = performance.now() + warmUpMs;
    const to = from + measureMs;
    const times = [];
    for (let begun = performance.now(); begun < to; begun = performance.now()) {
      await client.query({ ...statement, values: valuesOf(batch) });
      if (begun >= from) times.push(performance.now() - begun);
    }
    return { tasksPerSecond: (times.length * batch * 1_000) / measureMs, p50: median(times) };
  });
}

/** The rows of a real task of the server's, as one statement that inserts them for any number of new ids. */
async function templateInserts(lab) {
  const options = { database: DATABASE };
  await lab.withServer(
    'perdure',
    (server) => lab.measure(server, { exchange: 'echo', path: '/agents/echo', times: 1 }),
    options,
  );
  const parts = [];
  for (const [table, key] of Object.entries(TABLES)) parts.push(await templateOf(lab.postgres, table, key));
  return {
    rowsPerTask: parts.reduce((sum, { rows }) => sum + rows.length, 0),
    statement: { name: 'bare-inserts', text: insertText(parts) },
    valuesOf(count) {
      const ids = Array.from({ length: count }, () => uuidv7());
      return parts.flatMap(({ columns, rows, key }) => columns.map(({ name }) => arrayOf(ids, rows, name, key)));
    },
  };
}

async function templateOf(postgres, table, key) {
  const columns = await postgres.query(
    DATABASE,
    `select attname as name, format_type(atttypid, atttypmod) as type from pg_attribute
     where attrelid = $1::regclass and attnum > 0 and not attisdropped order by attnum`,
    [`perdure.${table}`],
  );
  const texts = columns.map(({ name }) => `${name}::text`).join(', ');
  return { table, key, columns, rows: await postgres.query(DATABASE, `select ${texts} from perdure.${table}`) };
}

function insertText(parts) {
  let parameter = 0;
  const inserts = parts.map(({ table, columns }) => {
    const names = columns.map(({ name }) => name).join(', ');
    const arrays = columns.map(({ type }) => `$${++parameter}::${isArray(type) ? 'text' : type}[]`).join(', ');
    const values = columns.map(({ name, type }) => (isArray(type) ? `${name}::${type}` : name)).join(', ');
    return `insert into perdure.${table} (${names}) select ${values} from unnest(${arrays}) x (${names})`;
  });
  const last = inserts.pop();
  return `with ${inserts.map((insert, i) => `part${i} as (${insert})`).join(', ')} ${last}`;
}

/** Arrays travel as texts: `unnest` takes an array of arrays apart to the last element. */
function isArray(type) {
  return type.endsWith('[]');
}

function arrayOf(ids, rows, name, key) {
  return ids.flatMap((id) => rows.map((row) => (name === key ? id : row[name])));
}
