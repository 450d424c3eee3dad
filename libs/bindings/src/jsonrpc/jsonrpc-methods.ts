import { A2AError, type SupportedVersion } from '#protocol';
import { clipped } from '../client-error.js';
import { METHODS_OF_BOTH, METHODS_OF_THE_FIRST } from '../compat/first-methods.js';
import { METHODS_OF_03, type OlderCall, type ReadCall } from '../compat/json-methods.js';
import { type CallWeight } from '../load-gate.js';
import { methodNamed } from '../operations.js';
import { readParams } from './jsonrpc-request.js';

const OLDER_METHODS: ReadonlyMap<string, ReadCall> = new Map(
  Object.entries({ ...METHODS_OF_03, ...METHODS_OF_BOTH, ...METHODS_OF_THE_FIRST }),
);

/**
 * What a request calls, its params read. The first dialect has no version of its own: whoever speaks it names none, as those
 * of 0.3 do. Throws A2AError METHOD_NOT_FOUND, which says so where the method is another version's; INVALID_PARAMS.
 */
export function readCall(name: string, params: unknown, version: SupportedVersion): OlderCall {
  if (version === '1.0') {
    const method = methodNamed(name);
    if (method) return { method, message: readParams(method, params), dialect: {} };
    throw unknownMethod(name, OLDER_METHODS.has(name) ? '; in A2A 1.0 methods have names such as SendMessage' : '');
  }
  const read = OLDER_METHODS.get(name);
  if (read) return read(params);
  throw unknownMethod(name, methodNamed(name) ? '; it is a method of A2A 1.0: send the header A2A-Version: 1.0' : '');
}

/** The names that methods which bring a message have in any version. */
const SENDS = /^(Send(Streaming)?Message|message\/(send|stream)|tasks\/send(Subscribe)?)$/;

/** The weight of a call by the name of its method: what the gate asks before params are read. */
export function weightOfCall(name: string): CallWeight {
  return SENDS.test(name) ? 'work' : 'look';
}

function unknownMethod(name: string, hint: string): A2AError {
  return new A2AError('METHOD_NOT_FOUND', { message: `Method not found: ${clipped(name)}${hint}` });
}
