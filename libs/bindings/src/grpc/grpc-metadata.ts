import { Metadata } from '@grpc/grpc-js';
import { type ServiceParameters } from '../service-parameters.js';

/** The service parameters of a gRPC call: its metadata. A key that is repeated counts as one comma separated value. */
export function metadataParameters(metadata: Metadata): ServiceParameters {
  return (name) => {
    const values = metadata.get(name);
    return values.length > 0 ? values.join(', ') : undefined;
  };
}

/** Metadata of these entries; what is undefined is left out. */
export function metadataOf(entries: Readonly<Record<string, string | undefined>>): Metadata {
  const metadata = new Metadata();
  for (const [key, value] of Object.entries(entries)) if (value !== undefined) metadata.set(key, value);
  return metadata;
}
