import { expect, it } from 'vitest';
import { useDatabase } from '../support/postgres.js';
import { useTables } from '../support/task-tables.js';

const database = useDatabase();
const tables = useTables(database);

/** What belongs to no tenant: what was migrated, the server's own keys, and jobs, whose number is their place in the line. */
const OF_THE_SERVER = ['migrations', 'outbox', 'signing_keys'];

it('has the tenant first in every key, so that no id of one tenant meets that of another', async () => {
  const keys = await tables.rows<{ name: string; first: string }>(
    `select c.relname as name, a.attname as first
     from pg_index i join pg_class c on c.oid = i.indrelid join pg_attribute a on a.attrelid = c.oid and a.attnum = i.indkey[0]
     where c.relnamespace = 'perdure'::regnamespace and i.indisunique`,
  );
  expect(keys.length).toBeGreaterThan(OF_THE_SERVER.length);
  const others = keys.filter(({ first }) => first !== 'tenant_id').map(({ name }) => name);
  expect(others.sort()).toEqual(OF_THE_SERVER);
});
