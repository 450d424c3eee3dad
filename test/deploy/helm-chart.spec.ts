import { execFile } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import pg from 'pg';
import { describe, expect, it } from 'vitest';
import { parse, parseAllDocuments } from 'yaml';
import { packageRoot } from '#platform';
import { containerConfig, knownSettings } from '../support/known-settings.js';
import { useDatabase } from '../support/postgres.js';
import { findProgram } from '../support/program.js';

type Json = any; // eslint-disable-line @typescript-eslint/no-explicit-any

const chart = join(packageRoot(), 'deploy/helm/perdure');
const read = (path: string) => readFileSync(join(chart, path), 'utf8');
const templates = readdirSync(join(chart, 'templates')).map((name) => [name, read(`templates/${name}`)] as const);
const values = parse(read('values.yaml'));
const schema = JSON.parse(read('values.schema.json'));
const helm = findProgram('helm', 'the rendering of the Helm chart');
const database = useDatabase();

/** The part of the schema that describes a value; undefined where it describes none. */
function schemaOf(path: readonly string[]): Json {
  return path.reduce((at: Json, key) => {
    const found = at?.$ref ? schema.definitions[at.$ref.split('/').at(-1)] : at;
    return found?.properties?.[key] ?? (typeof found?.additionalProperties === 'object' && found.additionalProperties);
  }, schema);
}

function paths(value: Json, path: readonly string[] = []): (readonly string[])[] {
  const isBranch = typeof value === 'object' && value !== null && !Array.isArray(value);
  const below = isBranch ? Object.entries(value as object).flatMap(([key, one]) => paths(one, [...path, key])) : [];
  return path.length > 0 ? [path, ...below] : below;
}

describe('the Helm chart', () => {
  it('uses no value that values.yaml does not have', () => {
    const used = templates.flatMap(([, text]) => [...text.matchAll(/\.Values((?:\.\w+)+)/g)].map(([, path]) => path!));
    expect(used.length).toBeGreaterThan(20);
    const missing = used.filter(
      (path) =>
        path
          .slice(1)
          .split('.')
          .reduce((at, key) => at?.[key], values) === undefined,
    );
    expect(missing).toEqual([]);
  });

  it('has a schema for each of its values', () => {
    expect(paths(values).filter((path) => !schemaOf(path))).toEqual([]);
  });

  it('names settings that exist only', () => {
    const set = templates.flatMap(([, text]) => [...text.matchAll(/name: ([A-Z_]{4,})/g)].map(([, name]) => name!));
    const secret = [...read('templates/_names.tpl').matchAll(/^([A-Z_]+): /gm)].map(([, name]) => name!);
    expect([set.length, secret.length]).toEqual([4, 4]);
    const kept = schema.definitions.settings.propertyNames.not.enum as string[];
    const named = [...set, ...secret, ...kept, ...Object.keys(values.settings as object)];
    expect(named.filter((name) => !knownSettings().has(name))).toEqual([]);
    // What the chart sets cannot be set beside it.
    expect([...set, ...secret].filter((name) => !kept.includes(name))).toEqual([]);
  });

  it('has the version of the package', () => {
    const { version } = JSON.parse(readFileSync(join(packageRoot(), 'package.json'), 'utf8')) as { version: string };
    expect(parse(read('Chart.yaml'))).toMatchObject({ version, appVersion: version });
  });

  it('scales workers by how long the oldest due job has waited', async () => {
    const client = new pg.Client(database.url);
    await client.connect();
    const age = async () => {
      const { rows, fields } = await client.query<[number]>({ text: read('queue-age.sql'), rowMode: 'array' });
      expect([rows.length, fields.length]).toEqual([1, 1]);
      return rows[0]![0];
    };
    try {
      await client.query('begin');
      expect(await age()).toBe(0);
      await client.query(
        `insert into perdure.outbox (tenant_id, task_id, run_at) values
           ('a', gen_random_uuid(), now() - interval '90 seconds'), ('b', gen_random_uuid(), now() - interval '5 seconds'),
           ('a', gen_random_uuid(), now() + interval '1 hour')`,
      );
      expect(await age()).toBe(90);
    } finally {
      await client.end();
    }
  });
});

const SECRETS = ['secrets.databaseUrl=postgres://perdure:secret@postgres/perdure', 'secrets.redisUrl=redis://valkey'];
const ROUTES = ['gateway.enabled=true', 'gateway.parentRefs[0].name=public', 'gateway.http.hostnames[0]=a2a.example'];

async function render(...set: string[]): Promise<Json[]> {
  const options = set.flatMap((assignment) => ['--set', assignment]);
  const { stdout } = await promisify(execFile)(helm!, ['template', 'test', chart, ...options]);
  return parseAllDocuments(stdout).flatMap((document) => {
    if (document.errors.length > 0) throw document.errors[0]!;
    return document.toJS() ?? [];
  });
}

describe.skipIf(helm === undefined)('what Helm makes of it', () => {
  it('passes its lint', async () => {
    await promisify(execFile)(helm!, ['lint', '--strict', chart, '--set', SECRETS[0]!]);
  });

  it('is a server and a worker whose settings are accepted, with time for their drain', async () => {
    const objects = await render(...SECRETS, 'settings.PERDURE_LEASE=7s', 'worker.settings.PERDURE_LEASE=8s');
    const { stringData } = objects.find(({ kind }) => kind === 'Secret');
    const deployments = objects.filter(({ kind }) => kind === 'Deployment');
    const configs = deployments.map(({ spec }) => {
      const { terminationGracePeriodSeconds, containers } = spec.template.spec;
      const env = (containers[0].env as Json[]).map(({ name, value }) => [name, value] as const);
      const [, , role] = containers[0].args as string[];
      const config = containerConfig({ ...stringData, ...Object.fromEntries(env), PERDURE_ROLE: role });
      expect(terminationGracePeriodSeconds * 1_000).toBeGreaterThan(
        config.shutdownDelayMs + 2 * config.drainMs + 5_000,
      );
      return [config.role, config.leaseMs, config.redisUrl];
    });
    expect(configs).toEqual([
      ['server', 7_000, 'redis://valkey'],
      ['worker', 8_000, 'redis://valkey'],
    ]);
  });

  it('makes the migration before all else, with a secret of its own', async () => {
    const hooks = (await render(...SECRETS)).filter(({ metadata }) => metadata.annotations?.['helm.sh/hook']);
    expect(hooks.map(({ kind, metadata }) => [kind, metadata.annotations['helm.sh/hook-weight']])).toEqual([
      ['Secret', '-1'],
      ['Job', '0'],
    ]);
    const [secret, job] = hooks;
    const [{ envFrom }] = job.spec.template.spec.containers;
    expect(envFrom).toEqual([{ secretRef: { name: secret.metadata.name } }]);
  });

  it('scales by CPU or by KEDA, never by two at once, and then says nothing of replicas itself', async () => {
    const scaling = async (...set: string[]) => {
      const objects = await render(...SECRETS, ...set);
      const scalers = objects.filter(({ kind }) => /^(HorizontalPodAutoscaler|ScaledObject)$/.test(kind));
      const fixed = objects.filter(({ kind, spec }) => kind === 'Deployment' && spec.replicas !== undefined);
      const names = (list: Json[]) => list.map(({ kind, metadata }) => `${kind} ${metadata.name}`).sort();
      return [...names(scalers), ...names(fixed)];
    };
    expect(await scaling()).toEqual(['Deployment test-perdure-server', 'Deployment test-perdure-worker']);
    expect(await scaling('worker.autoscaling.mode=cpu', 'server.autoscaling.enabled=true')).toEqual([
      'HorizontalPodAutoscaler test-perdure-server',
      'HorizontalPodAutoscaler test-perdure-worker',
    ]);
    expect(await scaling('worker.autoscaling.mode=keda')).toEqual([
      'ScaledObject test-perdure-worker',
      'Deployment test-perdure-server',
    ]);
  });

  it('routes to the ports of its service', async () => {
    const objects = await render(...SECRETS, ...ROUTES);
    const service = objects.find(({ kind }) => kind === 'Service');
    const routes = objects.filter(({ kind }) => kind.endsWith('Route'));
    expect(routes.map(({ kind }) => kind).sort()).toEqual(['GRPCRoute', 'HTTPRoute']);
    const targets = routes.flatMap(({ spec }) => spec.rules.flatMap((rule: Json) => rule.backendRefs));
    const offered = service.spec.ports.map(({ port }: Json) => ({ name: service.metadata.name, port }));
    expect(targets).toEqual(expect.arrayContaining(offered));
    expect(service.spec.ports.map(({ appProtocol }: Json) => appProtocol)).toEqual(['http', 'kubernetes.io/h2c']);
  });

  it.each([
    ['no database', []],
    ['a setting of the chart’s own', [SECRETS[0]!, 'settings.HOST=::']],
    ['a value it does not know', [SECRETS[0]!, 'worker.replica=2']],
    ['a scaling it does not know', [SECRETS[0]!, 'worker.autoscaling.mode=hpa']],
  ])('refuses %s', async (_, set) => {
    await expect(render(...set)).rejects.toThrow(/databaseUrl is needed|don't meet the specifications/);
  });
});
