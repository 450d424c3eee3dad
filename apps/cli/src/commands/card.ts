import { Command } from 'commander';
import type { AgentCardJson, AgentSkillJson } from '#protocol';
import { fetchCard } from '../agent-address.js';
import { addressOf, type TargetOptions, withTarget } from '../target.js';
import { type Terminal } from '../terminal.js';
import { cardVerifyCommand } from './card-verify.js';

interface CardOptions extends TargetOptions {
  readonly json?: boolean;
}

/** `perdure card`: fetches an agent's card and prints it for people. */
export function cardCommand(terminal: Terminal): Command {
  return withTarget(new Command('card'))
    .summary('print what an agent says about itself, or verify it')
    .description("Fetches an agent's card and prints it.")
    .enablePositionalOptions()
    .addCommand(cardVerifyCommand(terminal))
    .option('--json', 'print the card as JSON')
    .action(async (url: string, options: CardOptions) => {
      const card = await fetchCard(addressOf(url, options));
      if (options.json) terminal.json(card, 2);
      else terminal.line(cardText(card));
    });
}

function cardText(card: AgentCardJson): string {
  const { name, version, description, provider, documentationUrl } = card;
  const lines = [
    `${name ?? '(no name)'} ${version ?? ''}`.trim(),
    description,
    provider && `by ${[provider.organization, provider.url].filter(Boolean).join(', ')}`,
    documentationUrl,
  ];
  const sections = [
    section('Interfaces', (card.supportedInterfaces ?? []).map(interfaceText)),
    section('Capabilities', capabilities(card)),
    section('Takes', card.defaultInputModes ?? []),
    section('Gives', card.defaultOutputModes ?? []),
    section('Access', Object.keys(card.securitySchemes ?? {})),
    section('Skills', (card.skills ?? []).map(skillText)),
  ];
  return [...lines.filter(Boolean), ...sections.flat()].join('\n');
}

function section(title: string, entries: readonly string[]): string[] {
  return entries.length === 0 ? [] : ['', `${title}:`, ...entries.map((entry) => `  ${entry}`)];
}

function interfaceText(entry: NonNullable<AgentCardJson['supportedInterfaces']>[number]): string {
  const tenant = entry.tenant ? `, tenant ${entry.tenant}` : '';
  return `${entry.protocolBinding} ${entry.protocolVersion}  ${entry.url}${tenant}`;
}

function capabilities({ capabilities = {} }: AgentCardJson): string[] {
  const { streaming, pushNotifications, extendedAgentCard, extensions = [] } = capabilities;
  return [
    ...(streaming ? ['streaming'] : []),
    ...(pushNotifications ? ['push notifications'] : []),
    ...(extendedAgentCard ? ['extended card'] : []),
    ...extensions.map(({ uri, required }) => `extension ${uri}${required ? ' (required)' : ''}`),
  ];
}

function skillText({ id, name, description, tags = [], examples = [] }: AgentSkillJson): string {
  const title = `${name ?? id}${tags.length > 0 ? ` [${tags.join(', ')}]` : ''}`;
  return [title, description, ...examples.map((example) => `e.g. ${example}`)].filter(Boolean).join('\n    ');
}
