import { type DescMessage, fromJson, type JsonObject, type JsonValue, toJson } from '@bufbuild/protobuf';
import { A2AService } from '#protocol';

/** Every operation's method by its name in the proto. */
export const METHODS = new Map(A2AService.methods.map((method) => [method.name, method]));

/** The message that answers `operation`. */
export function outputOf(operation: string): DescMessage {
  return METHODS.get(operation)!.output;
}

/** ProtoJSON read strictly, where a field that the proto does not have is an error, and written canonically. */
export function canonical(schema: DescMessage, json: JsonValue): JsonObject {
  return toJson(schema, fromJson(schema, json)) as JsonObject;
}
