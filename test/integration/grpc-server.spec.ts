import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { type Worker } from 'node:worker_threads';
import { createFileRegistry, fromBinary } from '@bufbuild/protobuf';
import { type FileDescriptorProto, FileDescriptorProtoSchema, FileDescriptorSetSchema } from '@bufbuild/protobuf/wkt';
import {
  type ChannelCredentials,
  type ClientDuplexStream,
  type ClientReadableStream,
  credentials,
  loadPackageDefinition,
  type ServiceClientConstructor,
  status,
} from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';
import { protoPath } from 'grpc-health-check';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { ConfigError, loadConfig } from '#platform';
import { A2AService, type Role, TaskSchema } from '#protocol';
import { create } from '@bufbuild/protobuf';
import { GrpcClient } from '../support/grpc-client.js';
import { deferred, type ScriptedServer, startScriptedServer } from '../support/scripted-server.js';

const require = createRequire(import.meta.url);
const pem = (name: string) => join(import.meta.dirname, '../support/tls', `${name}.pem`);

const open: { close(): unknown }[] = [];
afterEach(async () => {
  for (const one of open.splice(0).reverse()) await one.close();
});

/** A server and whatever is opened in a test are closed after it. */
function closing<T extends { close(): unknown }>(one: T): T {
  open.push(one);
  return one;
}

async function started(settings?: Parameters<typeof startScriptedServer>[0]): Promise<ScriptedServer> {
  const server = closing(await startScriptedServer(settings));
  server.script.getTask = async ({ id }) => create(TaskSchema, { id });
  return server;
}

/** A stub made from a .proto file, as generic tools make it. */
function stub(file: string, service: string, target: string) {
  const root = loadPackageDefinition(loadSync(file, { keepCase: true, longs: String, enums: String, oneofs: true }));
  const found = service.split('.').reduce<unknown>((at, name) => (at as Record<string, unknown>)[name], root);
  return closing(new (found as ServiceClientConstructor)(target, credentials.createInsecure()));
}

describe('the limits of gRPC', () => {
  it('refuse a request that is too large, and take one that is not', async () => {
    const server = await started({ maxBodyBytes: 4_096 });
    const client = closing(new GrpcClient(server.grpc));

    await expect(client.call('getTask', { id: 'x'.repeat(5_000) })).rejects.toMatchObject({
      code: status.RESOURCE_EXHAUSTED,
    });
    expect((await client.call('getTask', { id: 'x'.repeat(4_000) })).message.id).toHaveLength(4_000);
  });

  it('refuse metadata that is too large, and serve the next call', async () => {
    const server = await started();
    const client = closing(new GrpcClient(server.grpc));
    const metadata = { large: 'x'.repeat(400_000) };

    await expect(client.call('getTask', { id: 't' }, { metadata })).rejects.toMatchObject({ code: expect.any(Number) });
    expect((await client.call('getTask', { id: 't' })).message.id).toBe('t');
  });
});

describe('a request over gRPC', () => {
  it.each([
    ['bytes that are no message', Buffer.of(0x12, 0x7f, 0x01), [], 'does not read as GetTaskRequest'],
    ['a character that nothing can store', Buffer.from('\x12\x02a\0'), ['id'], 'contains the character U+0000'],
    ['a field that is missing', Buffer.of(), ['id'], 'is required and must not be empty'],
  ])('is refused for %s', async (_what, bytes, fields, fact) => {
    const server = await started();
    const client = closing(new GrpcClient(server.grpc));

    const refused = await client.send(A2AService.method.getTask, bytes).catch((error: unknown) => error);

    expect(refused).toMatchObject({ code: status.INVALID_ARGUMENT, message: expect.stringContaining(fact) });
    const violations = (refused as { violations?: { field: string }[] }).violations ?? [];
    expect(violations.map(({ field }) => field)).toEqual(fields);
    expect(server.log).toEqual([]);
  });

  it('is refused over an enum number that the protocol does not know, with the words of JSON-RPC', async () => {
    const server = await started();
    const client = closing(new GrpcClient(server.grpc));
    const params = { message: { messageId: 'm', role: 77, parts: [{ text: 'Hi' }] } };
    const { body } = await server.post({ jsonrpc: '2.0', id: 1, method: 'SendMessage', params });
    const parts = [{ content: { case: 'text' as const, value: 'Hi' } }];
    const refused = client.call('sendMessage', { message: { messageId: 'm', role: 77 as Role, parts } });
    await expect(refused).rejects.toMatchObject({
      code: status.INVALID_ARGUMENT,
      message: body.error.message,
      details: body.error.data,
    });
  });
});

describe('TLS', () => {
  const authority = readFileSync(pem('ca'));
  const file = (name: string) => readFileSync(pem(name));
  const server = { GRPC_TLS_CERT: pem('server'), GRPC_TLS_KEY: pem('server.key') };

  function answerOf(target: string, channel: ChannelCredentials): Promise<unknown> {
    const client = closing(new GrpcClient(target, channel));
    return client.call('getTask', { id: 't' }, { deadline: Date.now() + 5_000 });
  }

  it('is spoken where a certificate is set, and nothing else', async () => {
    const { grpc } = await started({ grpcTls: loadConfig(server).grpcTls });

    expect(await answerOf(grpc, credentials.createSsl(authority))).toMatchObject({ message: { id: 't' } });
    const unavailable = { code: status.UNAVAILABLE };
    await expect(answerOf(grpc, credentials.createInsecure())).rejects.toMatchObject(unavailable);
    await expect(answerOf(grpc, credentials.createSsl(file('stranger')))).rejects.toMatchObject(unavailable);
  });

  it('takes only clients with a certificate where their authority is set', async () => {
    const { grpc } = await started({ grpcTls: loadConfig({ ...server, GRPC_TLS_CLIENT_CA: pem('ca') }).grpcTls });
    const of = (name: string) => credentials.createSsl(authority, file(`${name}.key`), file(name));

    expect(await answerOf(grpc, of('client'))).toMatchObject({ message: { id: 't' } });
    const unavailable = { code: status.UNAVAILABLE };
    await expect(answerOf(grpc, credentials.createSsl(authority))).rejects.toMatchObject(unavailable);
    await expect(answerOf(grpc, of('stranger'))).rejects.toMatchObject(unavailable);
  });

  it.each([
    [{ GRPC_TLS_CERT: pem('none') }, 'GRPC_TLS_CERT', 'a PEM file with a certificate'],
    [{ GRPC_TLS_CERT: pem('server.key') }, 'GRPC_TLS_CERT', 'a PEM file with a certificate'],
    [{ GRPC_TLS_KEY: pem('server') }, 'GRPC_TLS_KEY', 'a PEM file with a private key'],
    [{ GRPC_TLS_KEY: pem('client.key') }, 'GRPC_TLS_KEY', 'the key of the certificate in GRPC_TLS_CERT'],
    [{ GRPC_TLS_KEY: '' }, 'GRPC_TLS_KEY', 'a PEM file with a private key'],
    [{ GRPC_TLS_CLIENT_CA: pem('none') }, 'GRPC_TLS_CLIENT_CA', 'a PEM file with certificates'],
  ])('does not start with %o', (wrong, variable, wanted) => {
    expect(() => loadConfig({ ...server, ...wrong })).toThrow(ConfigError);
    expect(() => loadConfig({ ...server, ...wrong })).toThrow(new RegExp(`${variable}=.*: want ${wanted}`));
  });
});

describe('the health service', () => {
  it('serves while everything works, and not when a check fails or the server shuts down', async () => {
    const server = await started();
    const health = stub(protoPath, 'grpc.health.v1.Health', server.grpc);
    const statusOf = (service: string) =>
      new Promise((resolve, reject) => {
        health.check!({ service }, (error: Error | null, answer: { status: string }) =>
          error ? reject(error) : resolve(answer.status),
        );
      });

    expect(await statusOf('')).toBe('SERVING');
    expect(await statusOf(A2AService.typeName)).toBe('SERVING');
    await expect(statusOf('no.such.Service')).rejects.toMatchObject({ code: status.NOT_FOUND });
    const watch = health.watch!({ service: '' }) as ClientReadableStream<{ status: string }>;
    const seen = watch[Symbol.asyncIterator]();
    expect((await seen.next()).value).toEqual({ status: 'SERVING' });

    server.calls.stopTaking();

    expect((await seen.next()).value).toEqual({ status: 'NOT_SERVING' });
    expect(await statusOf(A2AService.typeName)).toBe('NOT_SERVING');
    watch.on('error', () => undefined).cancel();
  });

  it('says so when the server starts with a check that fails', async () => {
    const check = { name: 'database', check: () => Promise.reject(new Error('gone')) };
    const server = closing(await startScriptedServer({}, undefined, [check]));
    const health = stub(protoPath, 'grpc.health.v1.Health', server.grpc);

    const answer = await new Promise((resolve) => {
      health.check!({ service: '' }, (_error: unknown, found: unknown) => resolve(found));
    });

    expect(answer).toEqual({ status: 'NOT_SERVING' });
  });
});

describe('the thread of gRPC', () => {
  it('is followed by another one on the same port when it ends, and what it had begun is given up', async () => {
    const threads: Worker[] = [];
    const count = (thread: Worker) => void threads.push(thread);
    process.on('worker', count);
    const server = await started();
    const client = closing(new GrpcClient(server.grpc));
    const [begun, givenUp] = [deferred(), deferred()];
    server.script.listTasks = async (_request, { signal }) => {
      signal.addEventListener('abort', givenUp.resolve, { once: true });
      begun.resolve();
      await givenUp.promise;
      throw signal.reason;
    };
    const lost = client.call('listTasks', {}).catch((error: unknown) => error);
    await begun.promise;

    await threads[0]!.terminate();

    await givenUp.promise;
    expect(await lost).toMatchObject({ code: status.UNAVAILABLE });
    await vi.waitFor(async () => expect((await client.call('getTask', { id: 't' })).message.id).toBe('t'), 20_000);
    expect(threads).toHaveLength(2);
    expect(server.log.map(({ msg }) => msg)).toEqual(['grpc.thread_ended']);
    process.off('worker', count);
  });
});

/** The file of that name behind all that it imports. */
function inOrder(files: ReadonlyMap<string, FileDescriptorProto>, name: string): FileDescriptorProto[] {
  const file = files.get(name)!;
  return [...new Set([...file.dependency.flatMap((dependency) => inOrder(files, dependency)), file])];
}

describe.each(['v1', 'v1alpha'])('server reflection %s', (version) => {
  const root = join(dirname(require.resolve('@grpc/reflection/package.json')), 'build/proto');
  const proto = join(root, `grpc/reflection/${version}/reflection.proto`);

  interface Answer {
    list_services_response?: { service: { name: string }[] };
    file_descriptor_response?: { file_descriptor_proto: Buffer[] };
    error_response?: { error_code: number };
  }

  async function ask(target: string, ...questions: object[]): Promise<Answer[]> {
    const client = stub(proto, `grpc.reflection.${version}.ServerReflection`, target);
    const stream = client.ServerReflectionInfo!() as ClientDuplexStream<object, Answer>;
    const answers: Answer[] = [];
    stream.on('data', (answer: Answer) => answers.push(answer));
    for (const question of questions) stream.write(question);
    stream.end();
    await once(stream, 'end');
    return answers;
  }

  const filesOf = ({ file_descriptor_response: found }: Answer) =>
    (found?.file_descriptor_proto ?? []).map((bytes) => fromBinary(FileDescriptorProtoSchema, bytes));

  it('lists the services, and has every file that they are made of', async () => {
    const { grpc } = await started();
    const [list, symbol, nothing] = await ask(
      grpc,
      { list_services: '*' },
      { file_containing_symbol: A2AService.typeName },
      { file_containing_symbol: 'no.such.Symbol' },
    );
    expect(list!.list_services_response!.service.map(({ name }) => name)).toContain(A2AService.typeName);
    expect(nothing!.error_response!.error_code).toBe(status.NOT_FOUND);

    const symbolFile = filesOf(symbol!)[0]!.name;
    // As grpcurl does it: what a file imports is asked for by its name until nothing is missing.
    const files = new Map<string, FileDescriptorProto>();
    for (let found = filesOf(symbol!); found.length > 0;) {
      for (const file of found) files.set(file.name, file);
      const missing = [...files.values()].flatMap(({ dependency }) => dependency).filter((name) => !files.has(name));
      found = (await ask(grpc, ...missing.map((name) => ({ file_by_filename: name })))).flatMap(filesOf);
    }

    const registry = createFileRegistry(create(FileDescriptorSetSchema, { file: inOrder(files, symbolFile) }));
    const service = registry.getService(A2AService.typeName);
    expect(service?.methods.map(({ name }) => name)).toEqual(A2AService.methods.map(({ name }) => name));
    expect(service?.method.getTask?.output.fields.map(String)).toEqual(TaskSchema.fields.map(String));
  });

  it('answers any number of questions at once', async () => {
    const { grpc } = await started();
    expect(await ask(grpc, ...Array.from({ length: 200 }, () => ({ list_services: '*' })))).toHaveLength(200);
  });
});
