import { expect, it } from 'vitest';
import { deliveryId, deliveryOf } from './delivery-id.js';

const configUid = '0199e1a2-0000-7000-8000-000000000001';

it.each([
  [1, `${configUid}_1`],
  [2_147_483, `${configUid}_2147483`],
  [-3, `${configUid}_test3`],
])('names the delivery of event %i by %s, and finds it by that', (sequence, id) => {
  expect(deliveryId({ configUid, sequence })).toBe(id);
  expect(deliveryOf(id)).toEqual({ configUid, sequence });
});

it.each([
  '',
  configUid,
  `${configUid}_`,
  `${configUid}_0`,
  `${configUid}_-1`,
  `${configUid}_1.5`,
  `${configUid}_testa`,
])('finds no delivery by %j', (id) => expect(deliveryOf(id)).toBeUndefined());
