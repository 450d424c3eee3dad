import { clone, create, fromBinary, toBinary, type MessageInitShape } from '@bufbuild/protobuf';
import { describe, expect, it } from 'vitest';
import {
  type Artifact,
  StreamResponseSchema,
  type StreamResponse,
  TaskArtifactUpdateEventSchema,
  TaskSchema,
  TaskState,
  type Task,
} from './gen/lf/a2a/v1/a2a_pb.js';
import { jsonText } from './proto-json.js';
import { applyArtifactUpdate, applyEvent } from './task-fold.js';

type UpdateInit = MessageInitShape<typeof TaskArtifactUpdateEventSchema>;

const text = (value: string) => ({ content: { case: 'text' as const, value } });
const update = (init: UpdateInit) => create(TaskArtifactUpdateEventSchema, { taskId: 't', contextId: 'c', ...init });
const chunk = (artifactId: string, append: boolean, ...texts: string[]) =>
  update({ append, artifact: { artifactId, parts: texts.map(text) } });
const texts = (artifacts: Artifact[]) =>
  artifacts.map(({ artifactId, parts }) => [artifactId, ...parts.map((part) => part.content.value)]);

function fold(...updates: ReturnType<typeof update>[]): Artifact[] {
  const artifacts: Artifact[] = [];
  for (const one of updates) applyArtifactUpdate(artifacts, one);
  return artifacts;
}

describe('applyArtifactUpdate', () => {
  it('adds an artifact whose id is new, appended or not', () => {
    expect(texts(fold(chunk('a', false, '1'), chunk('b', true, '2')))).toEqual([
      ['a', '1'],
      ['b', '2'],
    ]);
  });

  it('puts appended parts behind those that are there', () => {
    expect(texts(fold(chunk('a', false, '1'), chunk('b', false, 'x'), chunk('a', true, '2', '3')))).toEqual([
      ['a', '1', '2', '3'],
      ['b', 'x'],
    ]);
  });

  it('replaces the artifact of the same id, in its place, without append', () => {
    expect(texts(fold(chunk('a', false, '1', '2'), chunk('b', false, 'x'), chunk('a', false, '3')))).toEqual([
      ['a', '3'],
      ['b', 'x'],
    ]);
  });

  it('takes over what an appended chunk says about the artifact, and keeps what it does not mention', () => {
    const [artifact] = fold(
      update({
        artifact: {
          artifactId: 'a',
          name: 'old',
          description: 'kept',
          metadata: { x: 1, y: 1 },
          extensions: ['urn:a'],
        },
      }),
      update({
        append: true,
        artifact: { artifactId: 'a', name: 'new', metadata: { y: 2 }, extensions: ['urn:a', 'urn:b'] },
      }),
    );
    expect(artifact).toMatchObject({
      name: 'new',
      description: 'kept',
      metadata: { x: 1, y: 2 },
      extensions: ['urn:a', 'urn:b'],
    });
  });

  it('never changes an event, however much is appended to what it brought', () => {
    const first = chunk('a', false, '1');
    const before = clone(TaskArtifactUpdateEventSchema, first);
    fold(first, chunk('a', true, '2'), update({ append: true, artifact: { artifactId: 'a', extensions: ['urn:a'] } }));
    expect(first).toEqual(before);
  });

  it('sees artifacts that were added to or taken from the list by others', () => {
    const artifacts = fold(chunk('a', false, '1'), chunk('b', false, '2'));
    artifacts.shift();
    applyArtifactUpdate(artifacts, chunk('b', true, '3'));
    expect(texts(artifacts)).toEqual([['b', '2', '3']]);
  });

  it('still finds the right artifact after others reordered the list', () => {
    const artifacts = fold(chunk('a', false, '1'), chunk('b', false, '2'));
    artifacts.reverse();
    applyArtifactUpdate(artifacts, chunk('b', true, '3'));
    expect(texts(artifacts)).toEqual([
      ['b', '2', '3'],
      ['a', '1'],
    ]);
  });

  it('changes nothing for an event without an artifact', () => {
    expect(fold(update({ append: true }))).toEqual([]);
  });

  it('keeps metadata named __proto__ a plain key', () => {
    const metadata = JSON.parse('{"__proto__":{"admin":true}}') as Record<string, string>;
    const [artifact] = fold(
      update({ artifact: { artifactId: 'a', metadata: { x: 1 } } }),
      update({ append: true, artifact: { artifactId: 'a', metadata } }),
    );
    expect(JSON.stringify(artifact?.metadata)).toBe('{"x":1,"__proto__":{"admin":true}}');
    expect((artifact?.metadata as { admin?: boolean }).admin).toBeUndefined();
  });

  it('takes a chunk with more parts than a call can have arguments', () => {
    const parts = Array.from({ length: 200_000 }, () => text('x'));
    const artifacts = fold(chunk('a', false, 'x'), update({ append: true, artifact: { artifactId: 'a', parts } }));
    expect(artifacts[0]?.parts).toHaveLength(200_001);
  });
});

const event = (payload: MessageInitShape<typeof StreamResponseSchema>['payload']) =>
  create(StreamResponseSchema, { payload });
const task = () => create(TaskSchema, { id: 't', contextId: 'c', status: { state: TaskState.SUBMITTED } });

describe('applyEvent', () => {
  it('replaces the status, and with it the old message', () => {
    const folded = task();
    applyEvent(
      folded,
      event({ case: 'statusUpdate', value: { status: { state: TaskState.WORKING, message: { messageId: 'm' } } } }),
    );
    applyEvent(folded, event({ case: 'statusUpdate', value: { status: { state: TaskState.COMPLETED } } }));
    expect(folded.status).toMatchObject({ state: TaskState.COMPLETED });
    expect(folded.status?.message).toBeUndefined();
  });

  it('replaces everything by a Task, and shares no list with it', () => {
    const folded = create(TaskSchema, { id: 'old', metadata: { old: true }, artifacts: [{ artifactId: 'old' }] });
    const whole = create(TaskSchema, {
      id: 't',
      contextId: 'c',
      status: { state: TaskState.WORKING },
      history: [{ messageId: 'm' }],
      artifacts: [{ artifactId: 'a', parts: [text('1')] }],
    });
    const before = clone(TaskSchema, whole);
    applyEvent(folded, event({ case: 'task', value: whole }));
    expect(jsonText(TaskSchema, folded)).toBe(jsonText(TaskSchema, before));
    applyEvent(folded, event({ case: 'artifactUpdate', value: chunk('a', true, '2') }));
    expect(texts(folded.artifacts)).toEqual([['a', '1', '2']]);
    expect(whole).toEqual(before);
  });

  it('changes nothing for a bare Message or an empty event', () => {
    const folded = task();
    applyEvent(folded, event({ case: 'message', value: { messageId: 'm' } }));
    applyEvent(folded, create(StreamResponseSchema));
    expect(folded).toEqual(task());
  });

  it('makes a text that was taken before the event stale', () => {
    const folded = task();
    expect(jsonText(TaskSchema, folded)).toContain('TASK_STATE_SUBMITTED');
    applyEvent(folded, event({ case: 'statusUpdate', value: { status: { state: TaskState.WORKING } } }));
    expect(jsonText(TaskSchema, folded)).toContain('TASK_STATE_WORKING');
  });
});

describe('folding a log of events', () => {
  const folded = (start: Task, events: StreamResponse[]) => {
    for (const one of events) applyEvent(start, one);
    return start;
  };
  const stored = (snapshot: Task) => fromBinary(TaskSchema, toBinary(TaskSchema, snapshot));

  it.each([1, 2, 3, 4, 5, 6, 7, 8])(
    'gives the same task in one go as from a snapshot at any point (log %i)',
    (seed) => {
      const events = randomLog(seed, 40);
      const whole = jsonText(TaskSchema, folded(task(), events));
      for (let split = 0; split <= events.length; split++) {
        const snapshot = stored(folded(task(), events.slice(0, split)));
        expect(jsonText(TaskSchema, folded(snapshot, events.slice(split)))).toBe(whole);
      }
    },
  );

  it('leaves the log as it was', () => {
    const events = randomLog(99, 200);
    const before = events.map((one) => toBinary(StreamResponseSchema, one));
    folded(task(), events);
    expect(events.map((one) => toBinary(StreamResponseSchema, one))).toEqual(before);
  });
});

/** A log of all kinds of events over a few artifacts; the same seed gives the same log. */
function randomLog(seed: number, length: number): StreamResponse[] {
  let state = seed;
  const below = (limit: number) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * limit);
  };
  return Array.from({ length }, (_, index) => {
    const kind = below(10);
    if (kind === 0)
      return event({ case: 'task', value: { id: 't', artifacts: [{ artifactId: 'a0', parts: [text('whole')] }] } });
    if (kind === 1) return event({ case: 'message', value: { messageId: `m${index}` } });
    if (kind < 4)
      return event({
        case: 'statusUpdate',
        value: { status: { state: below(9), message: { messageId: `s${index}` } } },
      });
    const parts = Array.from({ length: below(4) }, (_, part) => text(`${index}.${part}`));
    const metadata = below(2) === 0 ? undefined : { [`k${below(3)}`]: index };
    const artifact = {
      artifactId: `a${below(4)}`,
      name: below(2) === 0 ? '' : `n${index}`,
      parts,
      metadata,
      extensions: [`urn:${below(3)}`],
    };
    return event({ case: 'artifactUpdate', value: { append: below(3) > 0, artifact } });
  });
}
