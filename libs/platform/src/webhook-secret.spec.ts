import { expect, it } from 'vitest';
import { newWebhookSecret, webhookSecretBytes } from './webhook-secret.js';

it('makes secrets of 32 bytes that nobody has had before', () => {
  const secrets = Array.from({ length: 100 }, newWebhookSecret);
  expect(new Set(secrets).size).toBe(100);
  for (const secret of secrets) expect(webhookSecretBytes(secret)).toHaveLength(32);
});

it.each([
  ['nothing', ''],
  ['another prefix', `whpk_${'A'.repeat(44)}`],
  ['what is no base64', `whsec_${'*'.repeat(44)}`],
  ['too few bytes', `whsec_${Buffer.alloc(23).toString('base64')}`],
  ['too many bytes', `whsec_${Buffer.alloc(65).toString('base64')}`],
])('takes %s for no secret', (_, text) => expect(webhookSecretBytes(text)).toBeUndefined());
