import { A2AError } from './a2a-error.js';

/** The A2A versions this server speaks, as `Major.Minor`, the best first. */
export const SUPPORTED_VERSIONS = ['1.0', '0.3'] as const;

/** A version this server speaks. */
export type SupportedVersion = (typeof SUPPORTED_VERSIONS)[number];

/** What a caller that names no version means, by the specification. */
const UNNAMED_VERSION = '0.3';

/** The error repeats what was asked for; more than this of it helps nobody. */
const MAX_ECHO = 64;

/**
 * The version to serve for the value of an `A2A-Version` header or parameter.
 * Only Major.Minor counts (`1.0.7` is `1.0`); an absent or empty value means 0.3 (specification section 3.6.2).
 * Throws A2AError VERSION_NOT_SUPPORTED that names the requested and the supported versions.
 */
export function negotiateVersion(requested: string | undefined): SupportedVersion {
  return versionAmong(requested, SUPPORTED_VERSIONS);
}

/**
 * For an interface that serves one version only, such as the REST routes and the gRPC service of 1.0.
 * Throws A2AError VERSION_NOT_SUPPORTED, with that version as the only supported one, where the caller asks for another.
 */
export function requireVersion(requested: string | undefined, served: SupportedVersion): void {
  versionAmong(requested, [served]);
}

function versionAmong(requested: string | undefined, served: readonly SupportedVersion[]): SupportedVersion {
  const asked = requested?.trim() ?? '';
  const wanted = asked === '' ? UNNAMED_VERSION : asked;
  const majorMinor = /^(\d{1,4}\.\d{1,4})(?:\.\d{1,9})?$/.exec(wanted)?.[1];
  const match = served.find((version) => version === majorMinor);
  if (match) return match;
  throw versionNotSupported(wanted.slice(0, MAX_ECHO), served);
}

function versionNotSupported(requestedVersion: string, served: readonly SupportedVersion[]): A2AError {
  const supportedVersions = served.join(', ');
  return new A2AError('VERSION_NOT_SUPPORTED', {
    message: `A2A version ${requestedVersion} is not supported; supported: ${supportedVersions}`,
    metadata: { requestedVersion, supportedVersions },
  });
}
