import { expect } from 'vitest';
import canonicalizeModule from 'canonicalize';
import { createLocalJWKSet, decodeProtectedHeader, flattenedVerify, type JSONWebKeySet } from 'jose';
import { type JsonObject } from '@bufbuild/protobuf';
import { type AgentCardJson, AgentCardSchema, verifyCardSignatures } from '#protocol';
import { fetchAnswer } from '../../support/json-rpc.js';
import { BINDINGS, type Binding } from '../../support/protocol-client.js';
import { GrpcProtocolClient } from '../../support/protocol-client-grpc.js';
import { HttpJsonProtocolClient } from '../../support/protocol-client-http-json.js';
import { JsonRpcProtocolClient } from '../../support/protocol-client-jsonrpc.js';
import { canonical } from '../../support/protocol-client-messages.js';
import { type ConformanceCase } from '../case.js';

const CARD = '/.well-known/agent-card.json';
const VERSION_1 = { headers: { 'a2a-version': '1.0' } };

/** Fields that every card must have. */
const REQUIRED = [
  ...['name', 'description', 'version', 'capabilities', 'skills', 'supportedInterfaces'],
  ...['defaultInputModes', 'defaultOutputModes'],
];

const canonicalize = canonicalizeModule as unknown as (value: unknown) => string;

async function cardAt(url: string, path = ''): Promise<AgentCardJson> {
  return (await fetchAnswer(`${url}${path}${CARD}`, VERSION_1)).json as AgentCardJson;
}

/** A client at exactly the address that a card gives. */
function clientAt(binding: Binding, url: string) {
  if (binding === 'GRPC') return new GrpcProtocolClient({ grpcAddress: url });
  return binding === 'JSONRPC' ? new JsonRpcProtocolClient({ url }) : new HttpJsonProtocolClient({ url });
}

/** Verifies a signature over these members by the served keys; rejects where it does not fit. */
async function verified(
  url: string,
  { protected: header, signature }: { protected: string; signature: string },
  card: object,
) {
  const { json } = await fetchAnswer(`${url}/.well-known/jwks.json`);
  const payload = Buffer.from(canonicalize(card)).toString('base64url');
  return flattenedVerify({ protected: header, payload, signature }, createLocalJWKSet(json as JSONWebKeySet));
}

/** The agent card: where it is, what it has, how it is cached, and that its word is good. */
export const CARD_CASES: readonly ConformanceCase[] = [
  {
    name: 'is at the well-known path, without a redirect, also for a client that names no version',
    requirements: ['CARD-DISC-001', 'CARD-STRUCT-001'],
    over: ['CARD'],
    run: async ({ url }) => {
      for (const headers of [{}, { 'a2a-version': '1.0' }]) {
        const answer = await fetchAnswer(url + CARD, { headers });
        expect(answer.status).toBe(200);
        expect(answer.headers['content-type']).toMatch(/^application\/(a2a\+)?json/);
        for (const field of REQUIRED) expect(answer.json).toHaveProperty(field);
        expect(answer.json.supportedInterfaces[0].protocolVersion).toBe('1.0');
      }
    },
  },
  {
    name: 'for clients of 1.0 has the fields of 1.0 and no others, the required ones filled',
    requirements: ['CARD-STRUCT-001'],
    over: ['CARD'],
    run: async ({ url }) => {
      const card = await cardAt(url);
      expect(() => canonical(AgentCardSchema, card as JsonObject)).not.toThrow();
      for (const field of REQUIRED) expect(card).toHaveProperty(field);
      expect(card).toMatchObject({
        name: 'Conformance',
        capabilities: { streaming: true, pushNotifications: true, extendedAgentCard: false },
      });
      for (const skill of card.skills!)
        expect(skill).toMatchObject({ id: /./, name: /./, description: /./, tags: [/./] });
    },
  },
  {
    name: 'names all three bindings, each with an address and a version, and each works as it says',
    requirements: ['CARD-PROTO-001', 'CARD-PROTO-002', 'BIND-FIELD-001', 'BIND-EQUIV-001'],
    over: ['CARD'],
    run: async ({ url }) => {
      for (const path of ['', '/agents/conformance', '/agents/reduced', '/acme', '/agents/reduced/acme']) {
        const { supportedInterfaces = [] } = await cardAt(url, path);
        const current = supportedInterfaces.filter(({ protocolVersion }) => protocolVersion === '1.0');
        expect(current.map(({ protocolBinding }) => protocolBinding)).toEqual(BINDINGS);
        for (const { protocolBinding, url: address, tenant } of current) {
          if (protocolBinding === 'GRPC') expect(address).not.toContain('://');
          const client = clientAt(protocolBinding as Binding, address!);
          try {
            expect(await client.call('ListTasks', tenant === undefined ? {} : { tenant })).toHaveProperty(
              'pageSize',
              50,
            );
          } finally {
            client.close();
          }
        }
      }
    },
  },
  {
    name: 'of a reduced agent says what it lacks, of a demanding one what it needs',
    requirements: ['CARD-STRUCT-001'],
    over: ['CARD'],
    run: async ({ url }) => {
      expect((await cardAt(url, '/agents/reduced')).capabilities).toMatchObject({
        streaming: false,
        pushNotifications: false,
      });
      const { capabilities } = await cardAt(url, '/agents/extended');
      expect(capabilities!.extensions!.filter(({ required }) => required)).toMatchObject([
        { uri: 'urn:a2a:tck:required-extension' },
      ]);
    },
  },
  {
    name: 'may be cached, and asked for again by its tag or its date',
    requirements: ['CARD-CACHE-001', 'CARD-CACHE-002', 'CARD-CACHE-003', 'ACTS CARD-CACHE-001'],
    over: ['CARD'],
    run: async ({ url }) => {
      const { headers } = await fetchAnswer(url + CARD, VERSION_1);
      expect(headers['cache-control']).toMatch(/max-age=\d+/);
      const { etag, 'last-modified': modified } = headers as Record<string, string>;
      expect(Date.parse(modified!)).toBeLessThanOrEqual(Date.now());
      for (const condition of [{ 'if-none-match': etag! }, { 'if-modified-since': modified! }]) {
        const again = await fetchAnswer(url + CARD, { headers: { ...VERSION_1.headers, ...condition } });
        expect(again).toMatchObject({ status: 304, text: '' });
      }
    },
  },
  {
    name: 'is signed over its RFC 8785 form without the signatures, by a key that the header names and the server publishes',
    requirements: ['CARD-SIGN-001', 'CARD-SIGN-002', 'CARD-SIGN-003'],
    over: ['CARD'],
    run: async ({ url }) => {
      const { signatures = [], ...card } = await cardAt(url);
      expect(signatures).not.toEqual([]);
      for (const { protected: header = '' } of signatures) {
        expect(decodeProtectedHeader({ protected: header })).toMatchObject({
          alg: expect.stringMatching(/./),
          kid: expect.stringMatching(/./),
        });
      }
      const signature = signatures[0] as { protected: string; signature: string };
      await expect(verified(url, signature, card)).resolves.toBeDefined();
      await expect(verified(url, signature, { ...card, name: 'Somebody else' })).rejects.toThrow(/verification failed/);
      await expect(verified(url, signature, { ...card, signatures })).rejects.toThrow(/verification failed/);
    },
  },
  {
    name: 'is not verified by a key that has expired or was revoked',
    requirements: ['CARD-SIGN-004'],
    over: ['CARD'],
    run: async ({ url }) => {
      const card = await cardAt(url);
      const { keys } = (await fetchAnswer(`${url}/.well-known/jwks.json`)).json as JSONWebKeySet;
      const past = Math.floor(Date.now() / 1_000) - 60;
      const states = async (change: object) => {
        const verdicts = await verifyCardSignatures(card, async () => keys.map((key) => ({ ...key, ...change })));
        return new Set(verdicts.map(({ state }) => state));
      };
      expect(await states({})).toEqual(new Set(['valid']));
      expect(await states({ exp: past })).not.toContain('valid');
      expect(await states({ revoked: { revoked_at: past } })).not.toContain('valid');
    },
  },
];
