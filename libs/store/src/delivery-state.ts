/** How a delivery stands: it waits to be sent, or is settled. */
export const DELIVERY_STATES = ['pending', 'delivered', 'dead', 'skipped'] as const;

/** One of `DELIVERY_STATES`. */
export type DeliveryState = (typeof DELIVERY_STATES)[number];

/** Whether its lane has been woken is the engine's business; a test waits for its one attempt as if it had been given up. */
export const DELIVERY_STATE = `case when d.state = 2 then 'delivered' when d.state = 4 then 'skipped'
  when d.state = 3 and (d.sequence > 0 or d.next_at is null) then 'dead' else 'pending' end`;

/** The same as a condition, in the words of the partial indexes. */
export const IN_STATE: Readonly<Record<DeliveryState, string>> = {
  pending: 'd.state < 2',
  delivered: 'd.state = 2',
  dead: 'd.state = 3 and d.sequence > 0',
  skipped: 'd.state = 4',
};

/** The deliveries `d` of the webhook `c`. */
export const OF_CONFIG = 'd.tenant_id = c.tenant_id and d.task_id = c.task_id and d.config_uid = c.uid';
