import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { packageRoot } from '#platform';
import { containerConfig } from '../support/known-settings.js';

interface Service {
  readonly image: string;
  readonly command?: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
  readonly ports?: readonly string[];
  readonly volumes?: readonly string[];
  readonly healthcheck?: { readonly disable?: boolean };
  readonly depends_on?: Readonly<Record<string, { readonly condition: string }>>;
  readonly stop_grace_period?: string;
}

const text = readFileSync(join(packageRoot(), 'docker-compose.yml'), 'utf8');
const { services } = parse(text, { merge: true }) as { services: Record<string, Service> };
const proxyConfig = readFileSync(join(packageRoot(), 'deploy/haproxy/haproxy.cfg'), 'utf8');
const ours = Object.entries(services).filter(([, { image }]) => image === 'perdure');
const running = ours.filter(([, { command }]) => command![0] === 'serve');

/** The variables as Compose sets them where the caller's environment has none of its own. */
function variablesOf({ environment = {} }: Service): Record<string, string> {
  const withDefault = (value: string) => value.replace(/\$\{\w+:-([^}]*)\}/g, '$1');
  return Object.fromEntries(Object.entries(environment).map(([name, value]) => [name, withDefault(value)]));
}

describe('docker-compose.yml', () => {
  it('has two servers and two workers on one Postgres and one Valkey, and a proxy', () => {
    expect(running.map(([name, { command }]) => [name, command])).toEqual([
      ['server-1', ['serve', '--role', 'server']],
      ['server-2', ['serve', '--role', 'server']],
      ['worker-1', ['serve', '--role', 'worker']],
      ['worker-2', ['serve', '--role', 'worker']],
    ]);
    const databases = running
      .map(([, service]) => variablesOf(service))
      .map((env) => [env.DATABASE_URL, env.REDIS_URL]);
    expect(new Set(databases.map(String)).size).toBe(1);
    expect(services.postgres!.image).toBe('postgres:18');
    expect(services.valkey!.image).toMatch(/^valkey\/valkey:8/);
  });

  it.each(ours)('gives %s settings that exist, with values that are accepted', (_, service) => {
    const { command } = service;
    const role = command![0] === 'serve' ? { PERDURE_ROLE: command![2] } : {};
    const config = containerConfig({ ...variablesOf(service), ...role });
    expect(config).toMatchObject({ host: '0.0.0.0', allowPublic: true, shutdownDelayMs: 3_000 });
    expect(Number.parseInt(service.stop_grace_period!) * 1_000).toBeGreaterThan(
      config.shutdownDelayMs + 2 * config.drainMs + 5_000,
    );
  });

  it('waits with every process for the migrations, and watches the health of all that goes on running', () => {
    for (const [, service] of running)
      expect(service.depends_on).toMatchObject({
        migrate: { condition: 'service_completed_successfully' },
        postgres: { condition: 'service_healthy' },
      });
    expect(services.migrate).toMatchObject({ command: ['migrate'], healthcheck: { disable: true } });
    // Those of ours have the check of the image.
    for (const name of ['proxy', 'postgres', 'valkey']) expect(services[name]!.healthcheck).toHaveProperty('test');
    for (const [, service] of running) expect(service.healthcheck).toBeUndefined();
  });

  it('publishes ports on loopback only, and the proxy’s only: callers are not authenticated', () => {
    const published = Object.entries(services).flatMap(([name, { ports = [] }]) => ports.map((port) => [name, port]));
    expect(published).toEqual([
      ['proxy', '127.0.0.1:8080:8080'],
      ['proxy', '127.0.0.1:50051:50051'],
    ]);
  });

  it('tells the proxy every address that its configuration asks for', () => {
    const asked = [...proxyConfig.matchAll(/"\$\{(\w+)\}"/g)].map(([, name]) => name!);
    const { environment, volumes } = services.proxy!;
    expect(new Set(Object.keys(environment!))).toEqual(new Set(asked));
    expect(volumes).toEqual(['./deploy/haproxy/haproxy.cfg:/usr/local/etc/haproxy/haproxy.cfg:ro']);
  });
});
