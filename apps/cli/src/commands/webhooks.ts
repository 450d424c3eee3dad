import { Command } from 'commander';
import { type Terminal } from '../terminal.js';
import { webhookInspectCommands } from './webhooks-inspect.js';
import { listenCommand } from './webhooks-listen.js';
import { webhookRepairCommands } from './webhooks-repair.js';
import { verifyCommand } from './webhooks-verify.js';

/** `perdure webhooks`: what operators see of webhooks and do to them, and what receivers need. */
export function webhooksCommand(terminal: Terminal): Command {
  const webhooks = new Command('webhooks')
    .summary('look after webhooks, and receive them')
    .description(
      'Shows webhooks and what was sent to them, and sends it again, as the operator of a server on this machine; receives ' +
        'and verifies webhooks, as the other side.',
    );
  const operators = [...webhookInspectCommands(terminal), ...webhookRepairCommands(terminal)];
  for (const command of [...operators, listenCommand(terminal), verifyCommand(terminal)]) webhooks.addCommand(command);
  return webhooks;
}
