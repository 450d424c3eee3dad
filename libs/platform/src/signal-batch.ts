/** The keys of a topic that changed, or `'all'` where they are too many or unknown. */
export type ChangedKeys = ReadonlySet<string> | 'all';

/** What one message said: who sent it, and the changed keys by topic, or `'all'` for every topic. */
export interface SignalMessage {
  readonly origin: string;
  readonly topics: ReadonlyMap<string, ChangedKeys> | 'all';
}

/** Postgres refuses payloads of 8000 bytes and more. */
const PAYLOAD_MAX = 7_999;
/** More keys than this cannot fit into a payload, so there is no point in holding them. */
const KEYS_MAX = 2_000;

/** Signals waiting to be sent, each key held once. Its size is bounded: too many keys of a topic become `'all'`. */
export class SignalBatch {
  private topics = new Map<string, Set<string> | 'all'>();

  get isEmpty(): boolean {
    return this.topics.size === 0;
  }

  /** Adds one key of a topic; without a key, all of them. */
  add(topic: string, key: string | undefined): void {
    const keys = this.topics.get(topic) ?? new Set();
    if (keys === 'all') return;
    if (key !== undefined) keys.add(key);
    this.topics.set(topic, key === undefined || keys.size > KEYS_MAX ? 'all' : keys);
  }

  /** Adds back what could not be sent. */
  merge(topics: ReadonlyMap<string, ChangedKeys>): void {
    for (const [topic, keys] of topics) {
      if (keys === 'all') this.add(topic, undefined);
      else for (const key of keys) this.add(topic, key);
    }
  }

  /** Everything that waits; the batch is empty afterwards. */
  take(): ReadonlyMap<string, ChangedKeys> {
    const taken = this.topics;
    this.topics = new Map();
    return taken;
  }
}

/** The payload of some signals: exact where it fits, else topics without keys, else "everything". */
export function encodeSignals(origin: string, topics: ReadonlyMap<string, ChangedKeys>): string {
  const exact = [...topics].map(([topic, keys]) => [topic, keys === 'all' ? keys : [...keys]]);
  const coarse = [...topics.keys()].map((topic) => [topic, 'all']);
  for (const content of [exact, coarse]) {
    const payload = JSON.stringify({ origin, topics: Object.fromEntries(content) as object });
    if (Buffer.byteLength(payload) <= PAYLOAD_MAX) return payload;
  }
  return JSON.stringify({ origin, topics: 'all' });
}

/** Whether a payload says, without reading on, that it is of this origin. */
export function isFrom(origin: string, payload: string): boolean {
  return payload.startsWith(`{"origin":"${origin}"`);
}

/** Reads a payload. One that is not ours can only mean "look everywhere", which is always safe. */
export function decodeSignals(payload: string): SignalMessage {
  try {
    const { origin, topics } = JSON.parse(payload) as { origin: unknown; topics: unknown };
    if (typeof origin !== 'string' || typeof topics !== 'object' || topics === null) return lookEverywhere(origin);
    return { origin, topics: new Map(Object.entries(topics).map(([topic, keys]) => [topic, changedKeys(keys)])) };
  } catch {
    return lookEverywhere('');
  }
}

function lookEverywhere(origin: unknown): SignalMessage {
  return { origin: typeof origin === 'string' ? origin : '', topics: 'all' };
}

function changedKeys(keys: unknown): ChangedKeys {
  return Array.isArray(keys) ? new Set(keys.map(String)) : 'all';
}
