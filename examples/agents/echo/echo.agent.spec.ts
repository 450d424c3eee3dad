import { expect, it } from 'vitest';
import { Rehearsal } from '../../support/rehearsal.js';
import agent from './echo.agent.js';

it('gives back every part, unchanged and in order', async () => {
  const parts = [{ text: 'Hello' }, { data: { n: 1 } }, { raw: 'aGk=', filename: 'hi.txt', mediaType: 'text/plain' }];
  const rehearsal = new Rehearsal(agent, { message: { messageId: '1', role: 'ROLE_USER', parts } });
  expect(await rehearsal.play()).toEqual(parts);
});
