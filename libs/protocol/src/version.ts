import { A2AError } from './a2a-error.js';

/** The A2A versions this server speaks, as `Major.Minor`. */
export const SUPPORTED_VERSIONS = ['1.0'] as const;

/** A version this server speaks. */
export type SupportedVersion = (typeof SUPPORTED_VERSIONS)[number];

/** What a caller that names no version means, by the specification. */
const UNNAMED_VERSION = '0.3';

/** The error repeats what was asked for; more than this of it helps nobody. */
const MAX_ECHO = 64;

/**
 * The version to serve for the value of an `A2A-Version` header or parameter.
 * Only Major.Minor counts (`1.0.7` is `1.0`); an absent or empty value means 0.3.
 * Throws A2AError VERSION_NOT_SUPPORTED that names the requested and the supported versions.
 */
export function negotiateVersion(requested: string | undefined): SupportedVersion {
  const asked = requested?.trim() ?? '';
  const wanted = asked === '' ? UNNAMED_VERSION : asked;
  const majorMinor = /^(\d{1,4}\.\d{1,4})(?:\.\d{1,9})?$/.exec(wanted)?.[1];
  const match = SUPPORTED_VERSIONS.find((version) => version === majorMinor);
  if (match) return match;
  throw versionNotSupported(wanted.slice(0, MAX_ECHO));
}

function versionNotSupported(requestedVersion: string): A2AError {
  const supportedVersions = SUPPORTED_VERSIONS.join(', ');
  return new A2AError('VERSION_NOT_SUPPORTED', {
    message: `A2A version ${requestedVersion} is not supported; supported: ${supportedVersions}`,
    metadata: { requestedVersion, supportedVersions },
  });
}
