import 'reflect-metadata';
import { NestFactory } from '@nestjs/core';
import { createHttpAdapter, HealthModule, OpenCalls } from '#bindings';
import { type Config } from '#platform';
import { NestLog } from '../../process/src/nest-log.js';
import {
  type ProcessAddresses,
  type ProcessCore,
  type RunningProcess,
  startProcess,
} from '../../process/src/start-process.js';

/**
 * Starts a process that runs handlers and takes no calls: on its address it answers health checks alone. A start that fails
 * leaves nothing running.
 */
export function startWorker(config: Config): Promise<RunningProcess> {
  return startProcess(config, openHealth);
}

async function openHealth({
  config,
  logger,
  tasks,
  execution,
  push,
  teardown,
  work,
}: ProcessCore): Promise<ProcessAddresses> {
  const checks = [
    { name: 'database', check: () => tasks.store.check() },
    { name: 'queue', optional: true, check: () => execution.check() },
  ];
  const app = await NestFactory.create(HealthModule.register(checks, config, logger), createHttpAdapter(config), {
    bodyParser: false,
    abortOnError: false,
    logger: new NestLog(logger),
  });
  teardown.add('http', () => app.close());
  work();
  teardown.add('drain', async () => {
    app.get(OpenCalls).stopTaking();
    await Promise.all([execution.drain(), push.drain()]);
  });
  await app.listen(config.port, config.host);
  return { url: await app.getUrl(), grpc: undefined };
}
