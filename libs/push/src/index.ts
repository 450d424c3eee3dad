export { type BodySubject, DeliveryBodies, type DeliveryBody, type WriteTask } from './delivery-body.js';
export { checkDelivery } from './delivery-check.js';
export { type DeliveryEvidence, type DeliveryFinding } from './delivery-evidence.js';
export { type DeliveredEvent, DeliveryHeaders, type RequestTerms } from './delivery-headers.js';
export { webhookPublicKey } from './webhook-public-key.js';
export { Push, type PushTerms } from './push.js';
