import { resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { ConfigError, loadConfig } from './config.js';

describe('loadConfig', () => {
  it('needs no variable at all', () => {
    const config = loadConfig({});
    expect(config).toMatchObject({ host: '127.0.0.1', leaseMs: 5_000, maxBodyBytes: 10 * 1024 * 1024 });
    expect(config.databaseUrl).toBeUndefined();
    expect(config.dataDir).toBe(resolve('.perdure'));
  });

  it('serves gRPC unless it is off', () => {
    expect(loadConfig({}).grpcPort).toBe(50_051);
    expect(loadConfig({ GRPC_PORT: '0' }).grpcPort).toBe(0);
    expect(loadConfig({ GRPC_PORT: 'off' }).grpcPort).toBeUndefined();
    expect(refusalOf({ GRPC_PORT: 'none' })).toContain('GRPC_PORT=none: want a whole number');
  });

  it.each(['agents.example.com:443', '10.0.0.1:50051', '[::1]:50051'])('takes %s as the target of gRPC', (target) => {
    expect(loadConfig({ GRPC_PUBLIC_URL: target }).grpcPublicUrl).toBe(target);
  });

  it.each(['https://agents.example.com:443', 'agents.example.com', 'host:port', 'a b:1'])('refuses %s', (target) => {
    expect(refusalOf({ GRPC_PUBLIC_URL: target })).toContain('want host:port without a scheme');
  });

  it('has nothing for operators behind a proxy, unless it is told to', () => {
    expect(loadConfig({}).adminApi).toBe(true);
    expect(loadConfig({ PUBLIC_URL: 'https://agents.example' }).adminApi).toBe(false);
    expect(loadConfig({ PUBLIC_URL: 'https://agents.example', PERDURE_ADMIN: 'true' }).adminApi).toBe(true);
  });

  it('treats an empty variable as unset', () => {
    expect(loadConfig({ PORT: '', DATABASE_URL: ' ' })).toEqual(loadConfig({}));
  });

  it('reads durations, sizes and lists', () => {
    const config = loadConfig({ PERDURE_LEASE: '1.5s', PERDURE_MAX_BODY: '64kb', PERDURE_AGENTS: 'one, two,' });
    expect(config.leaseMs).toBe(1_500);
    expect(config.maxBodyBytes).toBe(65_536);
    expect(config.agentDirs).toEqual([resolve('one'), resolve('two')]);
  });

  it('reports every wrong variable at once, with its value and what is wanted', () => {
    const message = refusalOf({
      PORT: '99999',
      PERDURE_LEASE: '5',
      PERDURE_LOG_FORMAT: 'xml',
      PERDURE_MAX_BODY: 'big',
    });
    expect(message).toContain('PORT=99999: want a whole number, at least 0, at most 65535');
    expect(message).toContain('PERDURE_LEASE=5: want a duration such as');
    expect(message).toContain('PERDURE_LOG_FORMAT=xml: want one of pretty, json');
    expect(message).toContain('PERDURE_MAX_BODY=big: want a size such as');
  });

  it('keeps the password of a wrong DATABASE_URL out of the report', () => {
    const message = refusalOf({ DATABASE_URL: 'mysql://root:hunter2@db/app' });
    expect(message).toContain('DATABASE_URL=(hidden): want a URL that starts with postgres:// or postgresql://');
    expect(message).not.toContain('hunter2');
  });

  it('keeps the password of a wrong REDIS_URL out of the report', () => {
    for (const url of ['http://:hunter2@redis', 'redis://:hunter2@redis/queue', 'redis//:hunter2@redis']) {
      const message = refusalOf({ REDIS_URL: url });
      expect(message).toContain('REDIS_URL=(hidden): want');
      expect(message).not.toContain('hunter2');
    }
    expect(loadConfig({ REDIS_URL: 'rediss://user:pw@redis:6380/2' }).redisUrl).toBe('rediss://user:pw@redis:6380/2');
  });

  it('wants a database that can be shared for a role of several processes', () => {
    const databaseUrl = 'postgres://db/app';
    expect(loadConfig({}).role).toBe('all');
    expect(loadConfig({ PERDURE_ROLE: 'worker', DATABASE_URL: databaseUrl })).toMatchObject({
      role: 'worker',
      databaseUrl,
    });
    expect(refusalOf({ PERDURE_ROLE: 'server' })).toContain(
      'DATABASE_URL=: want the Postgres that all processes share',
    );
    expect(refusalOf({ PERDURE_ROLE: 'api' })).toContain('PERDURE_ROLE=api: want one of all, server, worker');
    expect(refusalOf({ DATABASE_DIRECT_URL: databaseUrl })).toContain(
      'DATABASE_URL=: want a URL beside DATABASE_DIRECT_URL',
    );
  });

  it.each(['a b', 'é', '../x', 'x'.repeat(101)])('refuses %s as the beginning of names in Redis', (prefix) => {
    expect(refusalOf({ PERDURE_REDIS_PREFIX: prefix })).toContain('PERDURE_REDIS_PREFIX=');
    expect(loadConfig({ PERDURE_REDIS_PREFIX: '{shop}:a.b_c-1' }).redisPrefix).toBe('{shop}:a.b_c-1');
  });

  it.each(['127.0.0.1', '127.1.2.3', '::1', 'localhost'])('listens on %s without being asked twice', (host) => {
    expect(loadConfig({ HOST: host }).host).toBe(host);
  });

  it.each(['0.0.0.0', '::', '192.168.1.5', '127.example.com'])('refuses to listen on %s for everybody', (host) => {
    expect(refusalOf({ HOST: host })).toContain('PERDURE_ALLOW_PUBLIC=true');
    expect(loadConfig({ HOST: host, PERDURE_ALLOW_PUBLIC: 'true' }).host).toBe(host);
  });
});

function refusalOf(variables: Record<string, string>): string {
  try {
    loadConfig(variables);
  } catch (error) {
    expect(error).toBeInstanceOf(ConfigError);
    return String(error);
  }
  throw new Error('was accepted');
}
