import { Writable } from 'node:stream';
import { expect, it } from 'vitest';
import { createLogger } from './logger.js';

it.each(['json', 'pretty'] as const)('keeps secrets out of %s lines', (logFormat) => {
  const output = new Output();
  const logger = createLogger({ logLevel: 'info', logFormat }, output);
  const error = Object.assign(new Error('connect to postgres://perdure:hunter2@db:5432/app failed'), { code: 'EFAIL' });
  logger.info({ req: { headers: { authorization: 'Bearer hunter2' } }, password: 'hunter2', task: 'kept' }, 'said');
  logger.error({ err: error }, 'failed');
  expect(output.text).not.toContain('hunter2');
  expect(output.text).toContain('kept');
  expect(output.text).toContain('postgres://perdure:[redacted]@db:5432/app');
});

it('writes nothing below its level', () => {
  const output = new Output();
  createLogger({ logLevel: 'warn', logFormat: 'json' }, output).info('quiet');
  expect(output.text).toBe('');
});

class Output extends Writable {
  text = '';

  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    this.text += chunk.toString();
    done();
  }
}
