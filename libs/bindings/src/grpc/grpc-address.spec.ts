import { describe, expect, it } from 'vitest';
import { loadConfig } from '#platform';
import { GrpcAddress } from './grpc-address.js';

function addressOf(variables: Record<string, string>): GrpcAddress {
  return new GrpcAddress(loadConfig({ PERDURE_ALLOW_PUBLIC: 'true', ...variables }));
}

describe('GrpcAddress', () => {
  it.each([
    [{}, '127.0.0.1:50051'],
    [{ HOST: '0.0.0.0', GRPC_PORT: '7' }, 'localhost:7'],
    [{ HOST: '::1', GRPC_PORT: '7' }, '[::1]:7'],
    [{ GRPC_PUBLIC_URL: 'agents.example.com:443' }, 'agents.example.com:443'],
    [{ GRPC_PORT: 'off' }, undefined],
    [{ GRPC_PORT: 'off', GRPC_PUBLIC_URL: 'agents.example.com:443' }, undefined],
    [{ PUBLIC_URL: 'https://agents.example.com' }, undefined],
  ])('with %o is %s for clients', (variables, target) => {
    expect(addressOf(variables).target).toBe(target);
  });

  it('has the port that the server got', () => {
    const address = addressOf({ GRPC_PORT: '0' });
    address.listensOn(4711);
    expect([address.target, address.local]).toEqual(['127.0.0.1:4711', '127.0.0.1:4711']);
  });
});
