import { type DescMethod, type Message } from '@bufbuild/protobuf';
import { Inject, Injectable } from '@nestjs/common';
import {
  A2A_ERRORS,
  type A2AErrorReason,
  type A2AOperations,
  A2AService,
  type CallContext,
  requireVersion,
  type Sequenced,
} from '#protocol';
import { type PathAddress } from '../address.js';
import { A2A_OPERATIONS, callStreaming, callUnary } from '../operations.js';
import { type ServiceParameters } from '../service-parameters.js';
import { type GrpcService } from './grpc-service.js';

/** A2A 1.0 over gRPC (specification section 10): lf.a2a.v1.A2AService, any method of it. */
@Injectable()
export class A2AGrpcService implements GrpcService {
  readonly descriptor = A2AService;

  constructor(@Inject(A2A_OPERATIONS) private readonly operations: A2AOperations) {}

  checkVersion(parameters: ServiceParameters): void {
    requireVersion(parameters('a2a-version'), '1.0');
  }

  /** The `tenant` of the request says it all. */
  address(): PathAddress {
    return {};
  }

  codeOf(reason: A2AErrorReason): number {
    return A2A_ERRORS[reason].grpc;
  }

  unary(method: DescMethod, request: Message, context: CallContext): Promise<Message> {
    return callUnary(this.operations, method, request, context);
  }

  stream(method: DescMethod, request: Message, context: CallContext): AsyncIterable<Sequenced<Message>> {
    return callStreaming(this.operations, method, request, context);
  }
}
