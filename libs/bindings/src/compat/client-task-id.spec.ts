import { describe, expect, it } from 'vitest';
import { clientTaskId } from './client-task-id.js';

const CALLER = {
  tenant: 'acme',
  agent: 'echo',
  principal: 'ann',
  extensions: [],
  signal: new AbortController().signal,
};

describe('the id of a task that a client named', () => {
  it('is a UUID of version 8, always the same', () => {
    const id = clientTaskId(CALLER, 'task-1');
    expect(id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    expect(clientTaskId({ ...CALLER, extensions: ['urn:x'] }, 'task-1')).toBe(id);
  });

  it('is another for another name, tenant, agent or principal, however they are cut', () => {
    const ids = [
      clientTaskId(CALLER, 'task-1'),
      clientTaskId(CALLER, 'Task-1'),
      clientTaskId({ ...CALLER, tenant: 'acm' }, 'task-1'),
      clientTaskId({ ...CALLER, agent: 'other' }, 'task-1'),
      clientTaskId({ ...CALLER, principal: 'bob' }, 'task-1'),
      clientTaskId({ ...CALLER, tenant: 'acme","echo' }, 'task-1'),
      clientTaskId({ ...CALLER, principal: 'an' }, 'ntask-1'),
    ];
    expect(new Set(ids).size).toBe(ids.length);
  });
});
