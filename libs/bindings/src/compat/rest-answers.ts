import { create } from '@bufbuild/protobuf';
import { A2A_ERRORS, type AgentCard, jsonText, v03 } from '#protocol';
import { type AnswerFormat, type Dialect } from '../http/http-calls.js';
import { JSON_TYPE } from '../http/json-body.js';
import { errorObject } from '../jsonrpc/jsonrpc-response.js';
import { cardTo03 } from './grpc-card.js';
import { GrpcOperations03 } from './grpc-operations.js';
import { speaks03 } from './hybrid-card.js';

/** Package a2a.v1 over the operations of 1.0. Its method for the public card has no route. */
export const REST_DIALECT: Dialect = {
  operations: (operations) => new GrpcOperations03(operations, () => create(v03.AgentCardSchema)),
};

/** An agent's card as package a2a.v1 has it. */
export const CARD_DIALECT: Dialect = {
  write: (card) => cardText(card as AgentCard),
};

/** Errors have the shape of JSON-RPC's, as the specification has it for all transports (section 7) and the SDKs read them. */
export const REST_FORMAT: AnswerFormat = {
  contentType: JSON_TYPE,
  result: (json) => json,
  error: (failure) => JSON.stringify(errorObject(failure)),
  errorStatus: ({ reason }) => A2A_ERRORS[reason].http,
};

function cardText(card: AgentCard): string {
  return jsonText(v03.AgentCardSchema, cardTo03(card, card.supportedInterfaces.filter(speaks03)));
}
