import { type JsonObject } from '@bufbuild/protobuf';
import { request as httpRequest } from 'undici';
import {
  type AgentLocation,
  type CallOptions,
  parametersOf,
  type ProtocolClient,
  ProtocolError,
  type ProtocolStream,
  type Results,
  type StreamingOperation,
  tellHeaders,
  type UnaryOperation,
} from './protocol-client.js';
import { canonical, outputOf } from './protocol-client-messages.js';
import { sseStream } from './protocol-client-sse.js';

/** What the codes of the specification's section 5.4 and of JSON-RPC 2.0 stand for among those of gRPC. */
const STATUS: Readonly<Record<number, string>> = {
  [-32700]: 'INVALID_ARGUMENT',
  [-32600]: 'INVALID_ARGUMENT',
  [-32601]: 'UNIMPLEMENTED',
  [-32602]: 'INVALID_ARGUMENT',
  [-32603]: 'INTERNAL',
  [-32001]: 'NOT_FOUND',
  [-32002]: 'FAILED_PRECONDITION',
  [-32003]: 'FAILED_PRECONDITION',
  [-32004]: 'FAILED_PRECONDITION',
  [-32005]: 'INVALID_ARGUMENT',
  [-32006]: 'INTERNAL',
  [-32007]: 'FAILED_PRECONDITION',
  [-32008]: 'FAILED_PRECONDITION',
  [-32009]: 'FAILED_PRECONDITION',
};

/** Codes of a busy server have no number of their own in JSON-RPC; the HTTP status tells them apart. */
const STATUS_OF_HTTP: Readonly<Record<number, string>> = { 429: 'RESOURCE_EXHAUSTED', 503: 'UNAVAILABLE' };

interface Envelope {
  readonly result?: JsonObject;
  readonly error?: { readonly code: number; readonly message: string; readonly data?: JsonObject[] };
}

/** A2A over JSON-RPC (specification section 9), by hand. */
export class JsonRpcProtocolClient implements ProtocolClient {
  readonly binding = 'JSONRPC';
  private readonly url: string;
  private calls = 0;

  constructor({ url, agent }: Pick<AgentLocation, 'url' | 'agent'>) {
    this.url = agent === undefined ? url : `${url}/agents/${agent}`;
  }

  async call<Operation extends UnaryOperation>(
    operation: Operation,
    request: JsonObject = {},
    options?: CallOptions,
  ): Promise<Results[Operation]> {
    const { statusCode, headers, body } = await this.post(operation, request, options);
    const result = resultOf((await body.json()) as Envelope, statusCode);
    tellHeaders(headers, options);
    return canonical(outputOf(operation), result) as Results[Operation];
  }

  async open(operation: StreamingOperation, request: JsonObject, options?: CallOptions): Promise<ProtocolStream> {
    const { statusCode, headers, body } = await this.post(operation, request, options);
    if (headers['content-type'] !== 'text/event-stream') {
      resultOf((await body.json()) as Envelope, statusCode);
      throw new Error('the answer is neither a stream nor an error');
    }
    tellHeaders(headers, options);
    return sseStream(body, ({ data }) =>
      canonical(outputOf(operation), resultOf(JSON.parse(data) as Envelope, statusCode)),
    );
  }

  close(): void {
    // Its connections are undici's.
  }

  private post(method: string, params: JsonObject, options?: CallOptions) {
    const body = JSON.stringify({ jsonrpc: '2.0', id: ++this.calls, method, params });
    const headers = { 'content-type': 'application/json', ...parametersOf(options) };
    return httpRequest(this.url, { method: 'POST', headers, body, bodyTimeout: 0 });
  }
}

function resultOf({ result, error }: Envelope, httpStatus: number): JsonObject {
  if (!error) return result!;
  const { code, message, data: details = [] } = error;
  const status = STATUS[code] ?? STATUS_OF_HTTP[httpStatus] ?? 'UNKNOWN';
  throw new ProtocolError({ code, httpStatus, status, message, details });
}
