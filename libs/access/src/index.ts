export { KeyRotation, RotationPendingError, type RotationTimes } from './key-rotation.js';
export { PeerKeys } from './peer-keys.js';
export { type SigningKeyState, signingKeyStates } from './signing-key-state.js';
export { type KeyRing, SIGNING_KEY_SIGNALS, SigningKeys } from './signing-keys.js';
export { webhookKey, type WebhookKey } from './webhook-key.js';
