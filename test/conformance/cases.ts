import { type ConformanceCase } from './case.js';
import { BEHAVIOURS } from './cases/behaviours.js';
import { BINDING_CASES } from './cases/bindings.js';
import { CARD_CASES } from './cases/card.js';
import { CONVERSATIONS } from './cases/conversations.js';
import { CORE } from './cases/core.js';
import { DATA_MODEL } from './cases/data-model.js';
import { GRPC } from './cases/grpc.js';
import { HTTP_JSON } from './cases/http-json.js';
import { JSON_RPC } from './cases/json-rpc.js';
import { PUSH } from './cases/push.js';
import { STREAMS } from './cases/streams.js';
import { VERSIONS } from './cases/versions.js';

/** Every case by its topic. A name is unique within the topic. */
export const CASES: Readonly<Record<string, readonly ConformanceCase[]>> = {
  'the agent': BEHAVIOURS,
  operations: CORE,
  conversations: CONVERSATIONS,
  'the data model': DATA_MODEL,
  streams: STREAMS,
  'push notifications': PUSH,
  'the agent card': CARD_CASES,
  versions: VERSIONS,
  'every binding': BINDING_CASES,
  'JSON-RPC': JSON_RPC,
  'HTTP+JSON': HTTP_JSON,
  gRPC: GRPC,
};
