import { type DescMethod, type Message } from '@bufbuild/protobuf';
import { A2AService, type CallContext, type Sequenced } from '#protocol';

/** Injection token of the `A2AOperations` that every binding serves. */
export const A2A_OPERATIONS = Symbol('perdure.operations');

const methods: ReadonlyMap<string, DescMethod> = new Map(A2AService.methods.map((method) => [method.name, method]));

/** The method of that name in the proto's own spelling (`SendMessage`), or undefined. */
export function methodNamed(name: string): DescMethod | undefined {
  return methods.get(name);
}

/**
 * Runs the unary operation that `method` describes; `operations` serve its service, `request` is a message of
 * `method.input`, the answer one of `method.output`.
 */
export function callUnary(
  operations: object,
  method: DescMethod,
  request: Message,
  context: CallContext,
): Promise<Message> {
  // Operations are derived from the same descriptor, so the name and the two message types belong together.
  const unary = operations as Record<string, (request: Message, context: CallContext) => Promise<Message>>;
  return unary[method.localName]!(request, context);
}

/** Starts the streaming operation that `method` describes; nothing runs before the first event is asked for. */
export function callStreaming(
  operations: object,
  method: DescMethod,
  request: Message,
  context: CallContext,
): AsyncIterable<Sequenced<Message>> {
  const streaming = operations as Record<
    string,
    (request: Message, context: CallContext) => AsyncIterable<Sequenced<Message>>
  >;
  return streaming[method.localName]!(request, context);
}
