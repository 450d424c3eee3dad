import { describe, expect, it } from 'vitest';
import { A2AError } from './a2a-error.js';
import { negotiateVersion } from './version.js';

function refusal(requested: string | undefined): A2AError {
  try {
    negotiateVersion(requested);
  } catch (error) {
    if (error instanceof A2AError) return error;
  }
  throw new Error(`version ${requested} was not refused with an A2AError`);
}

describe('negotiateVersion', () => {
  it.each(['1.0', '1.0.0', '1.0.17', ' 1.0 '])('serves 1.0 for "%s": only Major.Minor counts', (requested) => {
    expect(negotiateVersion(requested)).toBe('1.0');
  });

  it.each([undefined, '', '   '])('takes no version (%j) for 0.3', (requested) => {
    expect(refusal(requested).metadata).toEqual({ requestedVersion: '0.3', supportedVersions: '1.0' });
  });

  it.each([
    '0.3',
    '0.3.0',
    '1',
    '1.1',
    '1.00',
    '01.0',
    '10.0',
    '2.0',
    'v1.0',
    '1.0-beta',
    '1.0.0.0',
    '1.0, 1.0',
    'latest',
  ])('refuses "%s" with both versions named', (requested) => {
    const error = refusal(requested);
    expect(error.reason).toBe('VERSION_NOT_SUPPORTED');
    expect(error.message).toContain(requested);
    expect(error.metadata).toEqual({ requestedVersion: requested, supportedVersions: '1.0' });
  });

  it('repeats no more than 64 characters of what was asked for', () => {
    expect(refusal('9'.repeat(100_000)).message.length).toBeLessThan(200);
  });
});
