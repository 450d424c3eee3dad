import { type FastifyRequest } from 'fastify';
import { jsonViolation } from '#protocol';
import {
  DELIVERY_STATES,
  type DeliveryFilter,
  type DeliveryKey,
  type DeliveryName,
  deliveryOf,
  isTaskId,
  type WebhookFilter,
  WebhookNotFoundError,
  type WebhookPosition,
} from '#tasks';
import { DEFAULT_TENANT } from '../address.js';
import { JSON_TYPE, parseJsonBody } from '../http/json-body.js';
import { decodeCursor } from './admin-cursor.js';
import { AdminFields } from './admin-fields.js';
import { cursorOf, isRoutingName, limitOf, type Limits, NAME_LENGTH, PAGING, tenantOf } from './admin-terms.js';

const URL_LENGTH = 2_048;
const WEBHOOK_FILTER = ['tenant', 'task', 'endpoint', 'disabled', 'failing'];
const DELIVERY_FILTER = ['tenant', 'task', 'webhook', 'endpoint', 'state', 'since'];
const RECOVERY = ['tenant', 'task', 'webhook', 'endpoint', 'since'];
const UUID_RULE = 'must be a UUID';
const DELIVERY_RULE = 'must be the id of a delivery, such as 5f2b6a0e-…_3';
/** RFC 3339, with the offset: an operator's clock need not stand where the server's does. */
const TIME = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(:\d{2}(\.\d{1,9})?)?(Z|[+-]\d{2}:\d{2})$/;
const LONGEST_KEEP_MS = 7 * 86_400_000;
const KEEP_MS = 86_400_000;

/** An endpoint of a tenant. */
interface EndpointPosition {
  readonly tenantId: string;
  readonly endpoint: string;
}

/** GET webhooks. All readers here throw A2AError INVALID_PARAMS naming the field. */
export function webhooksRequest({ url }: FastifyRequest, limits: Limits) {
  const fields = AdminFields.ofQuery(url, [...WEBHOOK_FILTER, ...PAGING]);
  const filter: WebhookFilter = {
    ...{ tenantId: tenantOf(fields), taskId: uuidOf(fields, 'task'), endpoint: endpointOf(fields) },
    disabled: fields.flag('disabled') || undefined,
    failing: fields.flag('failing') || undefined,
  };
  const list = ['webhooks', filter];
  return { filter, list, limit: limitOf(fields, limits), after: decodeCursor(list, cursorOf(fields), webhookPosition) };
}

/** GET endpoints. */
export function endpointsRequest({ url }: FastifyRequest, limits: Limits) {
  const fields = AdminFields.ofQuery(url, ['tenant', ...PAGING]);
  const tenantId = tenantOf(fields);
  const list = ['endpoints', tenantId];
  const after = decodeCursor(list, cursorOf(fields), endpointPosition);
  return { tenantId, list, limit: limitOf(fields, limits), after };
}

/** GET deliveries. */
export function deliveriesRequest({ url }: FastifyRequest, limits: Limits) {
  const fields = AdminFields.ofQuery(url, [...DELIVERY_FILTER, ...PAGING]);
  const filter = { ...deliveryFilter(fields), state: fields.oneOf('state', DELIVERY_STATES) };
  const list = ['deliveries', filter];
  return {
    filter,
    list,
    limit: limitOf(fields, limits),
    after: decodeCursor(list, cursorOf(fields), deliveryPosition),
  };
}

/** GET deliveries/{id}. @throws WebhookNotFoundError for what cannot be one. */
export function deliveryRequest(request: FastifyRequest): DeliveryName {
  AdminFields.ofQuery(request.url, []);
  const { id = '' } = request.params as { id?: string };
  const name = deliveryOf(id.toLowerCase());
  if (name) return name;
  throw new WebhookNotFoundError('There is no such delivery');
}

/** GET webhooks/{uid}. @throws WebhookNotFoundError for what cannot be one. */
export function webhookRequest(request: FastifyRequest): string {
  AdminFields.ofQuery(request.url, []);
  const { uid = '' } = request.params as { uid?: string };
  if (isTaskId(uid)) return uid.toLowerCase();
  throw new WebhookNotFoundError('There is no such webhook');
}

/** POST resend. */
export function resendRequest(request: FastifyRequest, { pageSizeMax }: Limits) {
  const fields = bodyOf(request, ['ids', 'dryRun']);
  const ids = fields.texts('ids', pageSizeMax, (id) => deliveryOf(id.toLowerCase()) !== undefined, DELIVERY_RULE);
  const deliveries = (ids ?? fields.refuse('ids', 'is required')).map((id) => deliveryOf(id.toLowerCase())!);
  return { deliveries, dryRun: fields.flag('dryRun') };
}

/** POST recover. */
export function recoverRequest(request: FastifyRequest, limits: Limits) {
  const fields = bodyOf(request, [...RECOVERY, 'dryRun', ...PAGING]);
  const filter = deliveryFilter(fields);
  const list = ['recover', filter];
  const after = decodeCursor(list, cursorOf(fields), deliveryPosition);
  return { filter, list, options: { limit: limitOf(fields, limits), after, dryRun: fields.flag('dryRun') } };
}

/** POST test. */
export function testRequest(request: FastifyRequest): string {
  return requiredWebhook(bodyOf(request, ['webhook']));
}

/** POST rotate. */
export function rotateRequest(request: FastifyRequest) {
  const fields = bodyOf(request, ['webhook', 'keep']);
  const keepMs = fields.durationMs('keep') ?? KEEP_MS;
  if (keepMs > LONGEST_KEEP_MS) fields.refuse('keep', 'must be at most 7d');
  return { webhook: requiredWebhook(fields), keepMs };
}

/** POST enable: a webhook, or an endpoint of a tenant. */
export function enableRequest(request: FastifyRequest): { readonly webhook: string } | EndpointPosition {
  const fields = bodyOf(request, ['webhook', 'tenant', 'endpoint']);
  const endpoint = endpointOf(fields);
  if (endpoint === undefined) {
    if (fields.has('tenant')) fields.refuse('tenant', 'is for an endpoint');
    return { webhook: uuidOf(fields, 'webhook') ?? fields.refuse('webhook', 'is required, or endpoint') };
  }
  if (fields.has('webhook')) fields.refuse('endpoint', 'cannot be given beside webhook');
  return { tenantId: tenantOf(fields) ?? DEFAULT_TENANT, endpoint };
}

/** For the cursor after a delivery. */
export function deliveryParts({ tenantId, taskId, configUid, sequence }: DeliveryKey): readonly (string | number)[] {
  return [tenantId, taskId, configUid, sequence];
}

function deliveryFilter(fields: AdminFields): DeliveryFilter {
  return {
    ...{ tenantId: tenantOf(fields), taskId: uuidOf(fields, 'task'), configUid: uuidOf(fields, 'webhook') },
    ...{ endpoint: endpointOf(fields), since: timeOf(fields, 'since') },
  };
}

function bodyOf(request: FastifyRequest, known: readonly string[]): AdminFields {
  return AdminFields.of(parseJsonBody(request, [JSON_TYPE]), known, '');
}

function requiredWebhook(fields: AdminFields): string {
  return uuidOf(fields, 'webhook') ?? fields.refuse('webhook', 'is required');
}

function uuidOf(fields: AdminFields, name: string): string | undefined {
  const text = fields.text(name, NAME_LENGTH);
  return text === undefined || isTaskId(text) ? text?.toLowerCase() : fields.refuse(name, UUID_RULE);
}

/** Of a URL its origin. */
function endpointOf(fields: AdminFields): string | undefined {
  const text = fields.text('endpoint', URL_LENGTH);
  if (text === undefined) return undefined;
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url && /^https?:$/.test(url.protocol)) return url.origin;
  return fields.refuse('endpoint', 'must be an origin such as https://example.com:8443');
}

function timeOf(fields: AdminFields, name: string): Date | undefined {
  const text = fields.text(name, NAME_LENGTH);
  if (text === undefined) return undefined;
  const time = new Date(TIME.test(text) ? text : NaN);
  if (!Number.isNaN(time.getTime())) return time;
  return fields.refuse(name, 'must be a time such as 2026-11-22T02:30:00Z');
}

function webhookPosition([tenantId, taskId, uid]: readonly unknown[]): WebhookPosition | undefined {
  return isRoutingName(tenantId) && isUuid(taskId) && isUuid(uid) ? { tenantId, taskId, uid } : undefined;
}

function endpointPosition([tenantId, endpoint]: readonly unknown[]): EndpointPosition | undefined {
  return isRoutingName(tenantId) && isText(endpoint) ? { tenantId, endpoint } : undefined;
}

function deliveryPosition([tenantId, taskId, configUid, sequence]: readonly unknown[]): DeliveryKey | undefined {
  const isKey = isRoutingName(tenantId) && isUuid(taskId) && isUuid(configUid) && isSequence(sequence);
  return isKey ? { tenantId, taskId, configUid, sequence } : undefined;
}

function isUuid(value: unknown): value is string {
  return typeof value === 'string' && isTaskId(value);
}

/** What Postgres takes as a text. */
function isText(value: unknown): value is string {
  return typeof value === 'string' && jsonViolation(value) === undefined;
}

function isSequence(value: unknown): value is number {
  return Number.isInteger(value) && Math.abs(value as number) < 2 ** 31;
}
