import { ServerCredentials } from '@grpc/grpc-js';
import { type Config } from '#platform';

/** TLS where a certificate is set, mutual TLS where the authorities of clients are set as well, else plain text. */
export function serverCredentials({ grpcTls }: Pick<Config, 'grpcTls'>): ServerCredentials {
  if (!grpcTls) return ServerCredentials.createInsecure();
  const { certificate, key, clientCa } = grpcTls;
  return ServerCredentials.createSsl(
    clientCa ?? null,
    [{ cert_chain: certificate, private_key: key }],
    clientCa !== undefined,
  );
}
