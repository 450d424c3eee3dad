import { type DescMethod, type Message } from '@bufbuild/protobuf';
import { Inject, Injectable } from '@nestjs/common';
import { AgentRegistry } from '#agents';
import {
  A2AError,
  type A2AErrorReason,
  type A2AOperations,
  type CallContext,
  requireVersion,
  type Sequenced,
  v03,
} from '#protocol';
import { DEFAULT_TENANT, type PathAddress } from '../address.js';
import { type GrpcService } from '../grpc/grpc-service.js';
import { AgentCards } from '../http/agent-cards.js';
import { A2A_OPERATIONS, callStreaming, callUnary } from '../operations.js';
import { type ServiceParameters } from '../service-parameters.js';
import { cardTo03 } from './grpc-card.js';
import { grpcCodeIn03 } from './grpc-errors.js';
import { GrpcOperations03 } from './grpc-operations.js';
import { speaks03 } from './hybrid-card.js';

/**
 * A2A 0.3 over gRPC: a2a.v1.A2AService. Its messages have no field for a tenant: the metadata `a2a-tenant` takes the routing
 * key `[tenant][/agent]`, and a call without it is for the default agent.
 */
@Injectable()
export class A2AGrpcService03 implements GrpcService {
  readonly descriptor = v03.A2AService;
  /** Clients that let the server choose the id of a webhook have none to give. */
  readonly leftEmpty = ['configId'];
  private readonly operations: GrpcOperations03;

  constructor(
    @Inject(A2A_OPERATIONS) operations: A2AOperations,
    @Inject(AgentCards) private readonly cards: AgentCards,
    @Inject(AgentRegistry) private readonly agents: AgentRegistry,
  ) {
    this.operations = new GrpcOperations03(operations, (context) => this.cardOf(context));
  }

  checkVersion(parameters: ServiceParameters): void {
    requireVersion(parameters('a2a-version'), '0.3');
  }

  address(parameters: ServiceParameters): PathAddress {
    return { tenant: parameters('a2a-tenant') };
  }

  codeOf(reason: A2AErrorReason): number {
    return grpcCodeIn03(reason);
  }

  unary(method: DescMethod, request: Message, context: CallContext): Promise<Message> {
    return callUnary(this.operations, method, request, context);
  }

  stream(method: DescMethod, request: Message, context: CallContext): AsyncIterable<Sequenced<Message>> {
    return callStreaming(this.operations, method, request, context);
  }

  /** The card at the shortest address: that of the default agent without a tenant is the one where 0.3 can speak gRPC. */
  private cardOf({ agent, tenant }: CallContext): v03.AgentCard {
    const card = this.cards.cardAt({
      agent: agent === this.agents.default.id ? undefined : agent,
      tenant: tenant === DEFAULT_TENANT ? undefined : tenant,
    });
    if (!card) throw new A2AError('INTERNAL_ERROR');
    return cardTo03(card, card.supportedInterfaces.filter(speaks03));
  }
}
