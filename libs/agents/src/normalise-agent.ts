import type { Config } from '#platform';
import type { Agent } from './agent.js';
import { checkedCard } from './checked-card.js';
import type { AgentDefinition, FollowUps } from './define-agent.js';
import { FieldReader } from './field-reader.js';

/** What applies where a definition says nothing; the server's configuration has them all. */
export type AgentDefaults = Pick<Config, 'retryAttempts' | 'retryInitialDelayMs' | 'retryMaxDelayMs' | 'runTimeoutMs'>;

const FIELDS: readonly (keyof AgentDefinition)[] = [
  ...(['id', 'card', 'retry', 'timeout', 'deadline', 'inactivity', 'followUps', 'concurrency'] as const),
  ...(['listed', 'default', 'respond', 'run', 'onCancel'] as const),
];
const RETRY_FIELDS: readonly (keyof NonNullable<AgentDefinition['retry']>)[] = ['attempts', 'initialDelay', 'maxDelay'];
const ID_IN_WORDS = '1 to 64 letters, digits, _ or -';
const ID = /^[A-Za-z0-9_-]{1,64}$/;
const FOLLOW_UPS: readonly FollowUps[] = ['queue', 'reject', 'interrupt'];

/**
 * The agent that a definition stands for, or everything that is wrong with it, one sentence for each wrong field.
 * `file.name` is the id of an agent without one.
 */
export function normaliseAgent(
  definition: AgentDefinition,
  file: { readonly name: string; readonly path: string },
  defaults: AgentDefaults,
): { readonly agent?: Agent; readonly problems: readonly string[] } {
  const fields = new FieldReader(definition, FIELDS);
  if (!fields.has('run')) fields.problems.push('run is missing');
  for (const method of ['respond', 'run', 'onCancel']) fields.callable(method);
  const id = idOf(fields, file.name);
  const settings = {
    retry: retryOf(fields, defaults),
    timeoutMs: fields.duration('timeout', 1) ?? defaults.runTimeoutMs,
    deadlineMs: fields.duration('deadline', 1, 3650),
    inactivityMs: fields.duration('inactivity', 1),
    followUps: fields.choice('followUps', FOLLOW_UPS) ?? 'queue',
    concurrency: fields.integer('concurrency', 1, 10_000),
    listed: fields.flag('listed') ?? true,
    default: fields.flag('default') ?? false,
  };
  const card = checkedCard(definition.card, id, fields.problems);
  if (!card || fields.problems.length > 0) return { problems: fields.problems };
  return { agent: { id, card, ...settings, source: file.path, ...handlersOf(definition) }, problems: [] };
}

function idOf(fields: FieldReader, fileName: string): string {
  const id = fields.text('id', ID, ID_IN_WORDS) ?? fileName;
  if (!fields.has('id') && !ID.test(fileName)) {
    fields.problems.push(
      `id is missing, and the file's name "${fileName}" cannot stand for it: an id is ${ID_IN_WORDS}`,
    );
  }
  return id;
}

function retryOf(fields: FieldReader, defaults: AgentDefaults): Agent['retry'] {
  const retry = fields.object('retry', RETRY_FIELDS);
  const attempts = retry.integer('attempts', 1, 100) ?? defaults.retryAttempts;
  const initial = retry.duration('initialDelay', 0);
  const max = retry.duration('maxDelay', 0);
  if (initial !== undefined && max !== undefined && initial > max) {
    fields.problems.push('retry.initialDelay must not be longer than retry.maxDelay');
  }
  // One delay given alone moves the default of the other, so that it counts.
  const maxDelayMs = max ?? Math.max(defaults.retryMaxDelayMs, initial ?? 0);
  return { attempts, initialDelayMs: Math.min(initial ?? defaults.retryInitialDelayMs, maxDelayMs), maxDelayMs };
}

/** The functions keep `this`: a definition may be an instance of a class. */
function handlersOf(definition: AgentDefinition): Pick<Agent, 'respond' | 'run' | 'onCancel'> {
  return {
    run: definition.run.bind(definition),
    respond: definition.respond?.bind(definition),
    onCancel: definition.onCancel?.bind(definition),
  };
}
