import { type CreateWrite } from './writes.js';

/** The webhooks of new tasks, as JSON: the one parameter of `createdPush`. */
export function pushValue(creates: readonly CreateWrite[]): string {
  return JSON.stringify(
    creates.flatMap(({ tenantId, taskId, push }) => (push ? [{ tenant: tenantId, task: taskId, ...push }] : [])),
  );
}

const COLUMNS = 'uid, id, owner, url, endpoint, token, scheme, credentials, secret, filter, dialect';

/** The webhooks that come with the messages which make the tasks, from the parameter `$index`. */
export const createdPush = (index: number) => `
  cw as materialized (
    select * from json_to_recordset($${index}::json) w(tenant text, task uuid, uid uuid, id text, owner text, url text,
      endpoint text, token text, scheme text, credentials text, secret text, filter text, dialect text, "clientTaskId" text))`;

/** The uids of those of a row of `c`, the new tasks. */
export const CREATED_UIDS = '(select array_agg(w.uid) from cw w where w.tenant = c.tenant and w.task = c.id)';

/**
 * Writes them, with their lanes and the deliveries of the tasks' first events; an endpoint that was disabled is given another
 * try.
 */
export const CREATED_PUSH_PARTS = `
  cwc as (
    insert into perdure.push_configs (tenant_id, task_id, ${COLUMNS}, client_task_id)
    select tenant, task, ${COLUMNS}, "clientTaskId" from cw),
  cwl as (
    insert into perdure.push_lanes (tenant_id, task_id, config_uid, endpoint) select tenant, task, uid, endpoint from cw),
  cwe as (
    update perdure.push_endpoints e set disabled_at = null, open_until = null from cw w
    where e.tenant_id = w.tenant and e.endpoint = w.endpoint and e.disabled_at is not null),
  cwd as (
    insert into perdure.push_deliveries (tenant_id, task_id, config_uid, sequence)
    select w.tenant, w.task, w.uid, k from cw w join c on c.tenant = w.tenant and c.id = w.task, generate_series(1, c.n) k)`;
