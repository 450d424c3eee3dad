import { setTimeout as sleep } from 'node:timers/promises';
import { Fail, Reject, type AgentTask, type ArtifactOptions, type Content, type MessageJson } from 'perdure';

/** What a task of the conformance agent does; what it returns are its closing words. */
type Behaviour = (task: AgentTask) => Promise<Content>;

const COMPLETED = 'Hello from TCK';
const OUTPUT_FILE = { filename: 'output.txt', mediaType: 'text/plain' };

/** The answer without a task. */
const DIRECT = 'tck-message-response';

/** By the prefix of a message's id (the A2A TCK) or of its first text (ACTS). */
const BEHAVIOURS: Readonly<Record<string, Behaviour>> = {
  'tck-complete-task': complete,
  'tck-input-required': (task) => ask(task),
  'tck-multi-turn': (task) => ask(task, (answer) => textOf(answer).includes('done')),
  'tck-auth-required': async (task) => {
    await task.requestAuth('Please authorise this task out of band, and say so');
    return COMPLETED;
  },
  'tck-reject-task': () => refuse(new Reject('rejected')),
  'tck-task-failure': () => refuse(new Fail('The task failed, as it was asked to')),
  'tck-cancel': async (task) => {
    await pause(task, 60_000);
    return COMPLETED;
  },
  'tck-long-running': async (task) => {
    await task.status('Working on it');
    await pause(task, 1_200);
    return artifact('Long running output')(task);
  },
  'test-resubscribe-message-id': async (task) => {
    await pause(task, 2 * streamingTimeoutMs());
    return COMPLETED;
  },
  'tck-artifact-text': artifact('Generated text content'),
  'tck-artifact-file': artifact({ raw: base64('Generated file content'), ...OUTPUT_FILE }, { name: 'output.txt' }),
  'tck-artifact-file-url': artifact({ url: 'https://example.com/output.txt', ...OUTPUT_FILE }, { name: 'output.txt' }),
  'tck-artifact-data': artifact({ data: { key: 'value', count: 42 } }),
  'tck-stream-001': artifact('Stream hello from TCK'),
  'tck-stream-002': complete,
  'tck-stream-003': artifact('Stream task lifecycle'),
  'tck-stream-ordering-001': artifact('Ordered output'),
  'tck-stream-basic': artifact('Streamed content'),
  'tck-stream-artifact-text': artifact('Streamed text content'),
  'tck-stream-artifact-file': artifact(
    { raw: base64('Streamed file content'), ...OUTPUT_FILE },
    { name: 'output.txt' },
  ),
  'tck-stream-artifact-chunked': chunks,
  'tck-stream-chunked': chunks,
};

/** Of two prefixes that fit, the longer one is meant. */
const PREFIXES = [DIRECT, ...Object.keys(BEHAVIOURS)].sort((a, b) => b.length - a.length);

/** Whether the message is to be answered without a task. */
export function isDirect(message: MessageJson): boolean {
  return prefixOf(message) === DIRECT;
}

/** What a message asks for, else what the task's first message asked for, else an ordinary task that completes. */
export function behaviourOf(message: MessageJson, history: readonly MessageJson[]): Behaviour {
  return named(message) ?? (history[0] && named(history[0])) ?? complete;
}

function named(message: MessageJson): Behaviour | undefined {
  const prefix = prefixOf(message);
  return prefix === undefined ? undefined : BEHAVIOURS[prefix];
}

function prefixOf(message: MessageJson): string | undefined {
  const texts = [message.messageId ?? '', textOf(message)];
  return texts.map((text) => PREFIXES.find((prefix) => text.startsWith(prefix))).find(Boolean);
}

function textOf({ parts = [] }: MessageJson): string {
  return parts[0]?.text ?? '';
}

async function complete(): Promise<Content> {
  return COMPLETED;
}

/** Asks until an answer will do. An answer that asks for something else gets that; one that asks for the question gets it. */
async function ask(task: AgentTask, willDo: (answer: MessageJson) => boolean = () => true): Promise<Content> {
  for (;;) {
    const answer = await task.requestInput('Please say more');
    const prefix = prefixOf(answer);
    if (prefix === undefined && willDo(answer)) return COMPLETED;
    const next = prefix === undefined ? undefined : BEHAVIOURS[prefix];
    if (next && prefix !== 'tck-input-required' && prefix !== 'tck-multi-turn') return next(task);
  }
}

/** Writes one artifact in one go. */
function artifact(content: Content, options: ArtifactOptions = {}): Behaviour {
  return async (task) => {
    await task.artifact(options).write(content);
    return COMPLETED;
  };
}

async function chunks(task: AgentTask): Promise<Content> {
  const writer = task.artifact({ name: 'chunks.txt' });
  await writer.append('chunk-1 ');
  await writer.append('chunk-2');
  await writer.close();
  return COMPLETED;
}

async function refuse(refusal: Error): Promise<never> {
  throw refusal;
}

/** Waits once: a run that is taken up again has waited already. */
async function pause(task: AgentTask, ms: number): Promise<void> {
  await task.step('pause', ({ signal }) => sleep(ms, undefined, { signal }));
}

/** How long the kit follows a stream: TCK_STREAMING_TIMEOUT, in seconds. */
function streamingTimeoutMs(): number {
  return Number(process.env.TCK_STREAMING_TIMEOUT ?? 2) * 1_000;
}

function base64(text: string): string {
  return Buffer.from(text, 'utf8').toString('base64');
}
