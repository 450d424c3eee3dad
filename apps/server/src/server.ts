import 'reflect-metadata';
import { setTimeout as delay } from 'node:timers/promises';
import { type INestApplication } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { type SigningKeys } from '#access';
import { createHttpAdapter, GrpcAddress, GrpcServer, OpenCalls, PublicUrl } from '#bindings';
import { type Execution } from '#execution';
import { type Config } from '#platform';
import { type Tasks } from '#tasks';
import { NestLog } from '../../process/src/nest-log.js';
import {
  type ProcessAddresses,
  type ProcessCore,
  type RunningProcess,
  startProcess,
} from '../../process/src/start-process.js';
import { ServerModule } from './server.module.js';

/** How long streams may take for the events of the runs that ended just now; a slow reader resumes elsewhere. */
const DELIVERY_MS = 1_000;

/**
 * Starts a process that takes calls: in the role `server` that alone, in the role `all` with the runs of handlers, and with
 * a database of its own where `databaseUrl` is absent. A start that fails leaves nothing running.
 */
export function startServer(config: Config): Promise<RunningProcess> {
  return startProcess(config, openApi);
}

async function openApi(core: ProcessCore): Promise<ProcessAddresses> {
  const { config, tasks, signingKeys, execution, teardown } = core;
  const app = await createApp(tasks, signingKeys, execution);
  teardown.add('http and grpc', () => app.close());
  core.work();
  teardown.add('drain', () => drain(app, core));
  await app.init();
  // First: whoever finds /health/ready or a card finds everything that it names.
  await app.get(GrpcServer).listen();
  await app.listen(config.port, config.host);
  return { url: app.get(PublicUrl).base, grpc: app.get(GrpcAddress).local };
}

async function createApp(tasks: Tasks, signingKeys: SigningKeys, execution: Execution): Promise<INestApplication> {
  const checks = [
    { name: 'database', check: () => tasks.store.check() },
    { name: 'queue', optional: true, check: () => execution.check() },
  ];
  return NestFactory.create(ServerModule.of(tasks, signingKeys, checks), createHttpAdapter(tasks.config), {
    bodyParser: false,
    abortOnError: false,
    logger: new NestLog(tasks.logger),
  });
}

/**
 * First others learn that this process goes, and calls are taken for a while yet; then none are. Runs get their time, and
 * streams their last events; calls that wait get that time too, since others may run their tasks; then who still waits is
 * answered with the task as it is (docs/adr/0033).
 */
async function drain(app: INestApplication, { execution, push, tasks, config }: ProcessCore): Promise<void> {
  const calls = app.get(OpenCalls);
  calls.announceEnd();
  await delay(config.shutdownDelayMs);
  calls.stopTaking();
  const answered = calls.answered();
  await Promise.all([execution.drain(), push.drain()]);
  await tasks.streams.delivered(DELIVERY_MS);
  calls.endStreams();
  await answered;
  await calls.drain();
}
