import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { describe, expect, it } from 'vitest';
import { MessageSchema, Role } from './gen/lf/a2a/v1/a2a_pb.js';
import { messageViolations, partViolations } from './message-rules.js';
import { MAX_VIOLATIONS } from './required-fields.js';

type MessageInit = MessageInitShape<typeof MessageSchema>;
type PartInit = NonNullable<MessageInit['parts']>[number];

const text = { content: { case: 'text' as const, value: '' } };
const check = (init: MessageInit) =>
  messageViolations(create(MessageSchema, { messageId: 'm', role: Role.USER, parts: [text], ...init }), 'message');
const checkPart = (part: PartInit) => partViolations(create(MessageSchema, { parts: [part] }).parts, 'message.parts');

describe('messageViolations', () => {
  it('finds nothing in an ordinary message', () => {
    expect(check({ contextId: 'c', taskId: 't' })).toEqual([]);
  });

  it('refuses a client that speaks as the agent', () => {
    expect(check({ role: Role.AGENT })).toEqual([
      { field: 'message.role', description: 'must be ROLE_USER in a message from a client' },
    ]);
  });

  it.each(['messageId', 'contextId', 'taskId'])('takes a %s of 512 characters and refuses a longer one', (name) => {
    expect(check({ [name]: 'x'.repeat(512) })).toEqual([]);
    expect(check({ [name]: 'x'.repeat(513) })).toEqual([
      { field: `message.${name}`, description: 'is longer than 512 characters' },
    ]);
  });

  it('names the part that is wrong', () => {
    expect(check({ parts: [text, {}] })).toEqual([
      { field: 'message.parts[1]', description: 'must have exactly one of text, raw, url and data' },
    ]);
  });

  it('lists no more violations than an answer should carry', () => {
    expect(check({ role: Role.AGENT, parts: Array.from({ length: 10_000 }, () => ({})) })).toHaveLength(MAX_VIOLATIONS);
  });
});

describe('partViolations', () => {
  it.each(['https://example.com/a.pdf', 's3://bucket/key', 'urn:uuid:1', 'data:text/plain,x'])(
    'takes the url %s',
    (value) => {
      expect(checkPart({ content: { case: 'url', value } })).toEqual([]);
    },
  );

  it.each(['', 'file.pdf', '/path', '//host/path', 'https://'])('refuses the url "%s"', (value) => {
    expect(checkPart({ content: { case: 'url', value } })).toEqual([
      { field: 'message.parts[0].url', description: 'must be an absolute URL' },
    ]);
  });

  it.each([
    '',
    'text/plain',
    'text/plain; charset=utf-8',
    'application/vnd.a+json',
    'TEXT/HTML;level="1"',
    'image/svg+xml ',
  ])('takes the media type "%s"', (mediaType) => {
    expect(checkPart({ ...text, mediaType })).toEqual([]);
  });

  it.each([
    'text',
    'text/',
    '/plain',
    'text/plain/x',
    'te xt/plain',
    'text/plain\r\nX: y',
    'text/plain;\n',
    'täxt/plain',
    ` text/plain`,
    `a/${'b'.repeat(255)}`,
  ])('refuses the media type %j', (mediaType) => {
    expect(checkPart({ ...text, mediaType })).toEqual([
      { field: 'message.parts[0].mediaType', description: 'must be a media type such as text/plain' },
    ]);
  });
});
