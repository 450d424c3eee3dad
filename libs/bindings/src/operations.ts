import { type DescMethod, type Message } from '@bufbuild/protobuf';
import { type A2AOperations, A2AService, type CallContext, type Sequenced } from '#protocol';

/** Injection token of the `A2AOperations` that every binding serves. */
export const A2A_OPERATIONS = Symbol('perdure.operations');

const methods: ReadonlyMap<string, DescMethod> = new Map(A2AService.methods.map((method) => [method.name, method]));

/** The method of that name in the proto's own spelling (`SendMessage`), or undefined. */
export function methodNamed(name: string): DescMethod | undefined {
  return methods.get(name);
}

/** Runs the unary operation that `method` describes; `request` is a message of `method.input`, the answer of `method.output`. */
export function callUnary(
  operations: A2AOperations,
  method: DescMethod,
  request: Message,
  context: CallContext,
): Promise<Message> {
  // A2AOperations is derived from the same descriptor, so the name and the two message types belong together.
  const unary = operations as unknown as Record<string, (request: Message, context: CallContext) => Promise<Message>>;
  return unary[method.localName]!(request, context);
}

/** Starts the streaming operation that `method` describes; nothing runs before the first event is asked for. */
export function callStreaming(
  operations: A2AOperations,
  method: DescMethod,
  request: Message,
  context: CallContext,
): AsyncIterable<Sequenced<Message>> {
  const streaming = operations as unknown as Record<
    string,
    (request: Message, context: CallContext) => AsyncIterable<Sequenced<Message>>
  >;
  return streaming[method.localName]!(request, context);
}
