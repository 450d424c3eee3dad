/** There is no such webhook, endpoint or delivery; the message says which was asked for. */
export class WebhookNotFoundError extends Error {
  override readonly name = 'WebhookNotFoundError';
}
