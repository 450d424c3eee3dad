#!/usr/bin/env node
import { runCli } from './cli.js';
import { Terminal } from './terminal.js';

// `perdure watch … | head` closes our output early: that is the reader's choice, not an error.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error;
  process.exit();
});
process.exitCode = await runCli(process.argv.slice(2), new Terminal());
