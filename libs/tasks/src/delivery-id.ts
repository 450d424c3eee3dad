/** A delivery: an event of a task for one of its push configs. */
export interface DeliveryName {
  readonly configUid: string;
  /** The event's number in its task; that of a test, -1, -2, …, where it is negative. */
  readonly sequence: number;
}

const TEST = 'test';

/**
 * What receivers know a delivery by, the same over all attempts: `<uid>_<sequence>`, or `<uid>_test<number>`. It has no dot,
 * which Standard Webhooks put between an id and what follows it in the signed text.
 */
export function deliveryId({ configUid, sequence }: DeliveryName): string {
  return `${configUid}_${sequence < 0 ? `${TEST}${-sequence}` : sequence}`;
}

/** The delivery of an id; undefined for a text that is none. */
export function deliveryOf(id: string): DeliveryName | undefined {
  const [, configUid, test, digits] =
    /^([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})_(test)?([1-9]\d{0,8})$/.exec(id) ?? [];
  if (configUid === undefined) return undefined;
  return { configUid, sequence: test === TEST ? -Number(digits) : Number(digits) };
}
