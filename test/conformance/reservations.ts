/**
 * Requirements that the cases do not show as kept. `not yet`: the server does not do it; cases, where there are any, hold
 * it to what the specification demands of a server without it. `partly`: the cases show a part. `elsewhere`: the cases
 * cannot show it; the reason says who does.
 */
export interface Reservation {
  readonly kind: 'not yet' | 'partly' | 'elsewhere';
  readonly requirements: readonly string[];
  readonly reason: string;
}

export const RESERVATIONS: readonly Reservation[] = [
  {
    kind: 'not yet',
    requirements: ['CARD-EXT-001', 'CARD-EXT-002'],
    reason:
      'There is no extended agent card. Cards say `extendedAgentCard: false`, and asking for one is refused with UnsupportedOperation.',
  },
  {
    kind: 'not yet',
    requirements: ['AUTH-SERVER-002', 'AUTH-SCOPE-001', 'BIND-EQUIV-004'],
    reason: 'Callers are not authenticated. Cards declare no security schemes.',
  },
  {
    kind: 'partly',
    requirements: ['AUTH-SCOPE-002', 'AUTH-SCOPE-003', 'CORE-LIST-001', 'ACTS CORE-ERR-009', 'ACTS SEC-AUTH-003'],
    reason: 'Tenants and agents are kept apart; callers within a tenant are not, as they are not authenticated.',
  },
  {
    kind: 'elsewhere',
    requirements: ['AUTH-TLS-001', 'AUTH-TLS-002', 'GRPC-SVC-003'],
    reason:
      'The operator’s: gRPC speaks TLS with `GRPC_TLS_CERT` and `GRPC_TLS_KEY` (test/integration/grpc-server.spec.ts), HTTP behind a proxy that ends TLS.',
  },
  {
    kind: 'elsewhere',
    requirements: ['AUTH-SERVER-001', 'VER-CLIENT-001'],
    reason: 'The client’s duty.',
  },
];
