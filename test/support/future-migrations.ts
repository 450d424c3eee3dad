import { cpSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { packageRoot } from '#platform';
import { temporaryFolder } from './temporary-folder.js';

/** What a version to come may do to tables that are full and in use: columns with a default, tables, and an index beside the traffic. */
const COLUMNS = `
alter table perdure.tasks add column future text not null default 'none', add column future_time timestamptz;
alter table perdure.task_events add column future smallint;
alter table perdure.task_messages add column future text;
alter table perdure.task_journal add column future text;
alter table perdure.outbox add column future integer not null default 0;
alter table perdure.task_delegations add column future boolean not null default false;
alter table perdure.push_configs add column future text;
alter table perdure.push_deliveries add column future text not null default 'none';
alter table perdure.push_lanes add column future integer not null default 0;
alter table perdure.push_endpoints add column future text;
alter table perdure.push_attempts add column future text;
alter table perdure.idempotency_keys add column future text;
alter table perdure.task_counts add column future text;
create table perdure.future (tenant_id text not null, id bigint generated always as identity, primary key (tenant_id, id));
create index outbox_future on perdure.outbox (future) where future > 0;
`;

const INDEX = `
export function up(pgm) {
  pgm.noTransaction();
  pgm.sql('set lock_timeout = 0');
  pgm.sql('drop index concurrently if exists perdure.tasks_future');
  pgm.sql('create index concurrently tasks_future on perdure.tasks (tenant_id, future_time) where future_time is not null');
}
`;

/** A folder with this version's migrations, and those of a version to come behind them. Gone after the tests of the file. */
export function futureMigrations(): string {
  const folder = join(temporaryFolder(), 'migrations');
  cpSync(join(packageRoot(), 'migrations'), folder, { recursive: true });
  writeFileSync(join(folder, '9001_future.sql'), COLUMNS);
  writeFileSync(join(folder, '9002_future_index.mjs'), INDEX);
  return folder;
}
