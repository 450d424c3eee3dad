import { describe, expect, it } from 'vitest';
import { type Agent, AgentRegistry } from '#agents';
import { DEFAULT_TENANT, NotServedError, resolveAddress } from './address.js';
import { REST_ROUTES } from './compat/rest-routes.js';
import { HTTP_JSON_ROUTES } from './httpjson/httpjson-routes.js';

const agents = new AgentRegistry([{ id: 'echo', default: true }, { id: 'trip' }] as Agent[]);

function resolved(...[path, field]: [path: Parameters<typeof resolveAddress>[1], field?: string]) {
  const { tenant, agent } = resolveAddress(agents, path, field);
  return `${tenant}/${agent.id}`;
}

describe('an address', () => {
  it.each([
    [{}, '', 'default/echo'],
    [{ agent: 'trip' }, '', 'default/trip'],
    [{ agent: 'trip', tenant: 'acme' }, 'acme/trip', 'acme/trip'],
    [{ tenant: 'acme/trip' }, '', 'acme/trip'],
    [{ tenant: '/trip' }, 'acme', 'acme/trip'],
    [{}, '/trip', 'default/trip'],
  ])('of the path %j and the field %j is %s', (path, field, address) => {
    expect(resolved(path, field)).toBe(address);
  });

  it.each([
    [{ tenant: 'acme' }, 'other'],
    [{ tenant: 'acme' }, DEFAULT_TENANT],
    [{ agent: 'echo' }, '/trip'],
    [{ agent: 'nobody' }, ''],
    [{ agent: '__proto__' }, ''],
  ])('of the path %j and the field %j is none', (path, field) => {
    expect(() => resolved(path, field)).toThrow(NotServedError);
  });

  it.each(['a b', 'a/b/c', 'ä', 'x'.repeat(65), 'a, b'])('is refused where the tenant is %j', (tenant) => {
    for (const ask of [() => resolved({ tenant }), () => resolved({}, tenant)]) {
      expect(ask).toThrow(/^Invalid parameters: tenant must be \[tenant\]\[\/agent\]/);
    }
  });

  it('has no tenant of a name that means something else in a URL, as all do that begin paths of the server', () => {
    const routes = [...HTTP_JSON_ROUTES, ...REST_ROUTES].map(({ path }) => path.split('/')[1]!);
    const others = ['.', '..', '.well-known', 'admin', 'agents', 'health'];
    const names = new Set([...routes, ...others].filter((name) => !name.includes(':')));
    expect(names).toContain('tasks');
    for (const tenant of names) {
      for (const ask of [() => resolved({ tenant }), () => resolved({}, `${tenant}/trip`)]) {
        expect(ask).toThrow(/^Invalid parameters: tenant must not be one of /);
      }
    }
  });
});
