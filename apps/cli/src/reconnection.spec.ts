import { PassThrough } from 'node:stream';
import { afterEach, expect, it, vi } from 'vitest';
import { TransportError } from './call-error.js';
import { Reconnection } from './reconnection.js';
import { Terminal } from './terminal.js';

const LOST = 'Connection lost, waiting for the server …\n';
const BACK = 'Back again, the task goes on.\n';
const cut = new TransportError('The connection was cut.', true);

let now = 1_000_000;
const setClock = (ms: number) => vi.spyOn(Date, 'now').mockReturnValue((now = ms));
afterEach(() => {
  vi.restoreAllMocks();
});

/** A line to a server that is out of reach for `failures` tries, each of which takes `tryMs` on the clock. */
function aLine({ patienceMs = 60_000, failures = 0, tryMs = 0 } = {}) {
  setClock(now);
  const stderr = new PassThrough({ encoding: 'utf8' });
  const reach = vi.fn(async () => {
    setClock(now + tryMs);
    if (reach.mock.calls.length <= failures) throw new TransportError('Nothing listens there.', true);
  });
  const terminal = new Terminal({ stdout: new PassThrough(), stderr });
  const line = new Reconnection({ patienceMs, reach }, terminal);
  return { line, reach, notes: () => (stderr.read() as string | null) ?? '' };
}

it('tries until the server is back, and tells of the outage once', async () => {
  const { line, reach, notes } = aLine({ failures: 1 });
  await line.after(cut);
  expect(reach).toHaveBeenCalledTimes(2);
  expect(notes()).toBe(LOST + BACK);
});

it('does not tell again while tries fail on a server that can be reached, and then loses its patience', async () => {
  const { line, notes } = aLine({ patienceMs: 5_000, tryMs: 3_000 });
  await line.after(cut);
  expect(notes()).toBe(LOST + BACK);
  await line.after(cut);
  await expect(line.after(cut)).rejects.toThrow('The connection was cut.\nThe server did not come back in time');
  expect(notes()).toBe('');
});

it.each([
  ['the server has answered', (line: Reconnection) => line.contact()],
  ['a line on which nothing happened has stood for a while', () => void setClock(now + 6_000)],
])('takes it for another outage, with all of its patience, when %s', async (_, passes) => {
  const { line, notes } = aLine({ patienceMs: 5_000, tryMs: 3_000 });
  for (let outage = 0; outage < 3; outage++) {
    await line.after(cut);
    expect(notes()).toBe(LOST + BACK);
    passes(line);
  }
});

it('gives up in silence without patience', async () => {
  const { line, reach, notes } = aLine({ patienceMs: 0 });
  await expect(line.after(cut)).rejects.toMatchObject({ exitCode: 2, isPassing: false });
  expect(reach).not.toHaveBeenCalled();
  expect(notes()).toBe('');
});
