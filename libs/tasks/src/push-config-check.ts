import { type AddressGuard, type Config, headerValueProblem, isHttpToken } from '#platform';
import {
  A2AError,
  type AuthenticationInfo,
  type CallContext,
  type FieldViolation,
  type TaskPushNotificationConfig,
} from '#protocol';
import { type PushSettings } from '#store';

/** What a client asks for with a webhook, checked; token and credentials in the clear. */
export interface CheckedPushConfig extends Omit<PushSettings, 'secret'> {
  /** Empty where the client leaves it to the server. */
  readonly id: string;
}

/** What is asked of webhooks. */
export interface PushConfigTerms {
  readonly guard: AddressGuard;
  readonly config: Pick<Config, 'maxPushUrlLength' | 'maxPushCredentialsLength'>;
}

const MAX_ID = 255;

/**
 * Checks a webhook as far as that can be done without asking anybody: no name is resolved.
 * @param path of the config within the request; empty where it is the request.
 * @throws A2AError INVALID_PARAMS naming the fields; none of them is repeated, since they are secrets.
 */
export function checkPushConfig(
  given: TaskPushNotificationConfig,
  path: string,
  { pushFilter, pushDialect, clientTaskId }: Pick<CallContext, 'pushFilter' | 'pushDialect' | 'clientTaskId'>,
  { guard, config }: PushConfigTerms,
): CheckedPushConfig {
  const { id, url, token, authentication } = given;
  const { scheme = '', credentials = '' } = authentication ?? {};
  const violations = [
    violation('id', idProblem(id)),
    violation('url', urlProblem(url, guard, config.maxPushUrlLength)),
    violation('token', token === '' ? undefined : secretProblem(token, config.maxPushCredentialsLength)),
    ...authenticationViolations(authentication, config.maxPushCredentialsLength),
  ].filter((found) => found !== undefined);
  if (violations.length > 0) throw A2AError.invalidParams(violations.map((found) => below(path, found)));
  return {
    ...{ id, url, endpoint: new URL(url).origin, token: token || null, scheme: scheme || null },
    ...{ credentials: credentials || null, filter: pushFilter ? JSON.stringify(pushFilter) : null },
    ...{ dialect: pushDialect ?? null, clientTaskId: clientTaskId ?? null },
  };
}

function authenticationViolations(given: AuthenticationInfo | undefined, maxLength: number) {
  const { scheme = '', credentials = '' } = given ?? {};
  if (scheme === '' && credentials === '') return [];
  return [
    violation(
      'authentication.scheme',
      isHttpToken(scheme) ? schemeProblem(scheme) : 'must be the name of an HTTP scheme',
    ),
    violation('authentication.credentials', credentialsProblem(scheme, credentials, maxLength)),
  ];
}

function schemeProblem(scheme: string): string | undefined {
  return scheme.length > MAX_ID ? `has ${scheme.length} characters; the limit is ${MAX_ID}` : undefined;
}

/** Bearer without credentials asks for a token of ours. */
function credentialsProblem(scheme: string, credentials: string, maxLength: number): string | undefined {
  if (credentials !== '') return secretProblem(credentials, maxLength);
  return scheme.toLowerCase() === 'bearer' ? undefined : 'is required for this scheme';
}

function idProblem(id: string): string | undefined {
  if (/[\0-\x1f\x7f]/.test(id)) return 'contains control characters';
  return id.length > MAX_ID ? `has ${id.length} characters; the limit is ${MAX_ID}` : undefined;
}

function urlProblem(url: string, guard: AddressGuard, maxLength: number): string | undefined {
  if (url === '') return 'is required and must not be empty';
  if (url.length > maxLength) return `has ${url.length} characters; the limit is ${maxLength}`;
  return guard.urlProblem(url);
}

function secretProblem(value: string, maxLength: number): string | undefined {
  if (value.length > maxLength) return `has ${value.length} characters; the limit is ${maxLength}`;
  return headerValueProblem(value);
}

function violation(field: string, description: string | undefined): FieldViolation | undefined {
  return description === undefined ? undefined : { field, description };
}

function below(path: string, { field, description }: FieldViolation): FieldViolation {
  return { field: path === '' ? field : `${path}.${field}`, description };
}
