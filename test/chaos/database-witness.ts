import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { packageRoot } from '#platform';
import { type ChaosPostgres } from './chaos-postgres.js';
import {
  type DatabaseHistory,
  type LeaseChange,
  type StoredEvent,
  type StoredHook,
  type StoredInput,
  type StoredRecord,
  type StoredTask,
  type Tampering,
} from './checks/history.js';

/** Makes the database write down, in the transactions themselves, who held which lease when, and what no one may change. */
export async function installWitness(postgres: ChaosPostgres): Promise<void> {
  const triggers = await readFile(join(packageRoot(), 'test/chaos/witness.sql'), 'utf8');
  await postgres.connected((client) => client.query(triggers));
}

/** How many tasks have not ended, and how many events a webhook still waits for. */
export async function openWork(postgres: ChaosPostgres): Promise<number> {
  const text = `select (select count(*) from perdure.tasks where state not in (3, 4, 5, 7))::int
    + (select count(*) from perdure.push_deliveries where state < 2)::int as open`;
  const { rows } = await postgres.connected((client) => client.query<{ open: number }>(text));
  return rows[0]!.open;
}

/** Everything that the checks want to know of the database. */
export function readHistory(postgres: ChaosPostgres): Promise<DatabaseHistory> {
  return postgres.connected(async (client) => {
    const rows = async <Row extends object>(text: string) => (await client.query<Row>(text)).rows;
    return {
      tasks: await rows<StoredTask>(TASKS),
      events: await rows<StoredEvent>(EVENTS),
      records: await rows<StoredRecord>(RECORDS),
      inputs: await rows<StoredInput>(INPUTS),
      leases: await rows<LeaseChange>(
        'select task, token::int, owner, sequence, at::float8 from chaos.leases order by n',
      ),
      hooks: await rows<StoredHook>(
        'select uid, id, task, after, is_dropped as "isDropped" from chaos.hooks order by task, uid',
      ),
      tampering: await rows<Tampering>('select task, what from chaos.tampering order by n'),
    };
  });
}

const TASKS = `
  select id, agent, state, status, last_sequence as "lastSequence", lost, attempt, run_at::text as "runAt",
    lease_owner as "leaseOwner" from perdure.tasks`;
const EVENTS = 'select task_id as task, sequence, event from perdure.task_events order by task_id, sequence';
const RECORDS = `
  select task_id as task, turn, branch, position, kind, name, value from perdure.task_journal
  order by task_id, turn, branch, position`;
const INPUTS = `
  select task_id as task, message::json ->> 'messageId' as "messageId" from perdure.task_messages where input is not null`;
