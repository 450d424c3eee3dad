import { describe, expect, it } from 'vitest';
import { newWebhookSecret, SecretError, Secrets } from '#platform';
import { type PushConfigRow } from '#store';
import { type CheckedPushConfig } from './push-config-check.js';
import { openPushConfig, sealPushConfig } from './push-secrets.js';

const secrets = new Secrets([new Uint8Array(32).fill(1)]);
const UID = '5f0c2a6e-4b1c-4f7e-9d55-0c6f5a2f6a10';
const secret = newWebhookSecret();

const checked: CheckedPushConfig = {
  ...{ id: 'a', url: 'https://hooks.example/a', endpoint: 'https://hooks.example', token: 'tulip', scheme: 'Basic' },
  ...{ credentials: 'c3ByaW5n', filter: '{"artifacts":false}', dialect: null, clientTaskId: null },
};

function stored(overrides: Partial<PushConfigRow> = {}): PushConfigRow {
  const settings = sealPushConfig(checked, UID, secret, secrets);
  const names = { tenantId: 'acme', taskId: UID, id: 'a', uid: UID, owner: 'alice', createdAt: new Date(0) };
  return { ...settings, ...names, previousSecret: null, disabledAt: null, disabledReason: null, ...overrides };
}

describe(sealPushConfig, () => {
  it('leaves nothing in the clear that its receiver knows us by', () => {
    const text = JSON.stringify(stored());
    for (const hidden of ['tulip', 'c3ByaW5n', secret]) expect(text).not.toContain(hidden);
  });
});

describe(openPushConfig, () => {
  it('gives back what was sealed', () => {
    expect(openPushConfig(stored(), secrets)).toEqual({
      ...{ url: checked.url, token: 'tulip', scheme: 'Basic', credentials: 'c3ByaW5n', secrets: [secret] },
      ...{ filter: { artifacts: false }, dialect: undefined, clientTaskId: undefined },
    });
  });

  it('signs with the secret before as well, as long as that is valid', () => {
    const before = stored().secret;
    expect(openPushConfig(stored({ previousSecret: before }), secrets).secrets).toEqual([secret, secret]);
  });

  it('opens nothing that was moved to another webhook, or to another place of it', () => {
    const row = stored();
    const moved = [
      { ...row, uid: '00000000-0000-4000-8000-000000000000' },
      { ...row, token: row.credentials },
      { ...row, credentials: row.secret },
    ];
    for (const each of moved) expect(() => openPushConfig(each, secrets)).toThrow(SecretError);
  });
});
