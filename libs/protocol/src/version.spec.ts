import { describe, expect, it } from 'vitest';
import { A2AError } from './a2a-error.js';
import { negotiateVersion, requireVersion } from './version.js';

function refusal(call: () => unknown): A2AError {
  try {
    call();
  } catch (error) {
    if (error instanceof A2AError) return error;
  }
  throw new Error('nothing was refused with an A2AError');
}

describe('negotiateVersion', () => {
  it.each(['1.0', '1.0.0', '1.0.17', ' 1.0 '])('serves 1.0 for "%s": only Major.Minor counts', (requested) => {
    expect(negotiateVersion(requested)).toBe('1.0');
  });

  it.each(['0.3', '0.3.0', ' 0.3'])('serves 0.3 for "%s"', (requested) => {
    expect(negotiateVersion(requested)).toBe('0.3');
  });

  it.each([undefined, '', '   '])('takes no version (%j) for 0.3', (requested) => {
    expect(negotiateVersion(requested)).toBe('0.3');
  });

  it.each([
    '0.2',
    '0.4',
    '00.3',
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
  ])('refuses "%s" with all versions named', (requested) => {
    const error = refusal(() => negotiateVersion(requested));
    expect(error.reason).toBe('VERSION_NOT_SUPPORTED');
    expect(error.message).toContain(requested);
    expect(error.metadata).toEqual({ requestedVersion: requested, supportedVersions: '1.0, 0.3' });
  });

  it('repeats no more than 64 characters of what was asked for', () => {
    expect(refusal(() => negotiateVersion('9'.repeat(100_000))).message.length).toBeLessThan(200);
  });
});

describe('requireVersion', () => {
  it('takes the one version an interface serves, whatever the patch number', () => {
    expect(() => requireVersion('1.0.3', '1.0')).not.toThrow();
    expect(() => requireVersion(undefined, '0.3')).not.toThrow();
  });

  it.each([undefined, '', '0.3', '0.3.0'])(
    'refuses %j where 1.0 alone is served, though the server speaks 0.3',
    (requested) => {
      const error = refusal(() => requireVersion(requested, '1.0'));
      expect(error.reason).toBe('VERSION_NOT_SUPPORTED');
      expect(error.metadata?.supportedVersions).toBe('1.0');
    },
  );
});
