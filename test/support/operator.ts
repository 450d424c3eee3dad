import { type ActionReport, type OperatorAction, type OperatorFilter } from '#tasks';
import { type Engine } from './engine.js';

/** An action on one task of the tenant `acme`, or another's, and what is reported of it. */
export async function act(
  engine: Engine,
  action: OperatorAction,
  id: string,
  { tenantId = 'acme', dryRun = false } = {},
): Promise<ActionReport> {
  const { items } = await engine.tasks.operator.act(action, { keys: [{ tenantId, taskId: id }] }, dryRun);
  return items[0]!;
}

/** The ids of all tasks that fit, page by page. */
export async function idsOf(engine: Engine, filter: OperatorFilter, limit = 100): Promise<string[]> {
  const ids: string[] = [];
  let after: Parameters<typeof engine.tasks.operator.list>[2];
  do {
    const page = await engine.tasks.operator.list(filter, limit, after);
    ids.push(...page.items.map(({ id }) => id));
    after = page.next;
  } while (after);
  return ids;
}
