import { type Agent } from '#agents';
import { type RunningProcess } from '../../process/src/start-process.js';
import { shellWord } from './shell-word.js';

const LONGEST_EXAMPLE = 80;

/** What a banner is made of: the process, and its number. */
export type Serving = Pick<RunningProcess, 'role' | 'url' | 'grpc' | 'agents'> & { readonly pid: number };

/**
 * What `perdure serve` says when it is ready: where it listens (gRPC unless that is off), its process and role, the agents, and
 * two lines to paste that try one, where it takes calls.
 */
export function serveBanner({ role, url, grpc, agents, pid }: Serving): string {
  const base = url.replace(/\/+$/, '');
  const listens = [`Perdure listens on ${base}`, ...(grpc === undefined ? [] : [`gRPC on ${grpc}`])];
  const process = role === 'all' ? `Process ${pid}` : `Process ${pid}, role ${role}`;
  return [...listens, process, '', ...(role === 'worker' ? workerLines(agents) : agentLines(base, agents)), ''].join(
    '\n',
  );
}

function workerLines(agents: readonly Agent[]): string[] {
  return [
    `Runs tasks of: ${agents.map(({ id }) => id).join(', ')}`,
    'Takes no calls: it answers /health/live and /health/ready.',
  ];
}

function agentLines(base: string, agents: readonly Agent[]): string[] {
  const width = Math.max(0, ...agents.map(({ id }) => id.length));
  const lines = agents.map(({ id, card }) => {
    const cardUrl = `${base}/agents/${id}/.well-known/agent-card.json`;
    return `  ${id.padEnd(width)}  ${card.name}\n  ${' '.repeat(width)}  ${cardUrl}`;
  });
  const tried = agents.find((agent) => agent.default) ?? agents[0];
  return ['Agents:', ...lines, ...(tried ? tryLines(base, tried) : [])];
}

function tryLines(base: string, agent: Agent): string[] {
  const text = exampleOf(agent);
  const message = { messageId: 'try-1', role: 'ROLE_USER', parts: [{ text }] };
  const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'SendMessage', params: { message } });
  const url = `${base}/agents/${agent.id}`;
  return [
    '',
    'Try it:',
    `  curl -s ${url} -H 'Content-Type: application/json' -H 'A2A-Version: 1.0' -d ${shellWord(body)}`,
    `  npx perdure send ${url} ${shellWord(text)}`,
  ];
}

/** The first example of the agent's skills that fits into a command line. */
function exampleOf({ card }: Agent): string {
  const examples = card.skills.flatMap((skill) => skill.examples ?? []);
  return examples.find((text) => text.length <= LONGEST_EXAMPLE && !/[\n\r]/.test(text)) ?? 'Hello';
}
