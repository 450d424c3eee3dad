import { type Row } from './row.js';
import { ERRORS } from './rows/errors.js';
import { PARAMETERS } from './rows/parameters.js';
import { PUSH } from './rows/push.js';
import { READING } from './rows/reading.js';
import { SENDING } from './rows/sending.js';
import { STREAMING } from './rows/streaming.js';
import { VALIDATION } from './rows/validation.js';

/** Every case that runs over all bindings and must come out alike, by topic. */
export const TABLE: Readonly<Record<string, readonly Row[]>> = {
  sending: SENDING,
  reading: READING,
  streaming: STREAMING,
  'service parameters and tenants': PARAMETERS,
  errors: ERRORS,
  webhooks: PUSH,
  validation: VALIDATION,
};
