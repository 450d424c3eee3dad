import { type FieldViolation } from './a2a-error.js';
import { Role, type Message, type Part } from './gen/lf/a2a/v1/a2a_pb.js';
import { elementPath, memberPath } from './json-path.js';
import { MAX_VIOLATIONS } from './required-fields.js';

/** Ids are index keys; one of this many characters still fits into an index entry of Postgres. */
export const MAX_ID_LENGTH = 512;

const MAX_MEDIA_TYPE_LENGTH = 255;

/** `type/subtype` of RFC 9110, then parameters of printable ASCII. */
const MEDIA_TYPE = /^[\w!#$%&'*+.^`|~-]+\/[\w!#$%&'*+.^`|~-]+[ \t]*(?:;[\t\x20-\x7e]*)?$/;

/**
 * What a client's message breaks of the rules that its descriptor cannot state: its role is ROLE_USER, its ids are at most
 * 512 characters long, its parts follow `partViolations`. Paths start at `path` (`message`); at most 20 are listed.
 * A field that is missing is the finding of `requiredFieldViolations`.
 */
export function messageViolations(message: Message, path: string): FieldViolation[] {
  const found = [...roleViolations(message.role, path), ...idViolations(message, path)];
  return [...found, ...partViolations(message.parts, memberPath(path, 'parts'))].slice(0, MAX_VIOLATIONS);
}

/**
 * What parts break of the rules for content, whoever made them: exactly one of text, raw, url and data; a url is absolute;
 * a media type, where given, reads `type/subtype`. Paths start at `path` (`message.parts`); at most 20 are listed.
 */
export function partViolations(parts: readonly Part[], path: string): FieldViolation[] {
  const found: FieldViolation[] = [];
  for (const [index, part] of parts.entries()) {
    if (found.length >= MAX_VIOLATIONS) break;
    found.push(...onePartViolations(part, elementPath(path, index)));
  }
  return found.slice(0, MAX_VIOLATIONS);
}

function roleViolations(role: Role, path: string): FieldViolation[] {
  if (role === Role.USER || role === Role.UNSPECIFIED) return [];
  return [{ field: memberPath(path, 'role'), description: 'must be ROLE_USER in a message from a client' }];
}

function idViolations(message: Message, path: string): FieldViolation[] {
  const ids: [string, string][] = [
    [memberPath(path, 'messageId'), message.messageId],
    [memberPath(path, 'contextId'), message.contextId],
    [memberPath(path, 'taskId'), message.taskId],
  ];
  return ids
    .filter(([, id]) => id.length > MAX_ID_LENGTH)
    .map(([field]) => ({ field, description: `is longer than ${MAX_ID_LENGTH} characters` }));
}

function onePartViolations(part: Part, path: string): FieldViolation[] {
  const found: FieldViolation[] = [];
  const { content, mediaType } = part;
  if (content.case === undefined) {
    found.push({ field: path, description: 'must have exactly one of text, raw, url and data' });
  }
  if (content.case === 'url' && !URL.canParse(content.value)) {
    found.push({ field: memberPath(path, 'url'), description: 'must be an absolute URL' });
  }
  if (mediaType !== '' && !isMediaType(mediaType)) {
    found.push({ field: memberPath(path, 'mediaType'), description: 'must be a media type such as text/plain' });
  }
  return found;
}

function isMediaType(text: string): boolean {
  return text.length <= MAX_MEDIA_TYPE_LENGTH && MEDIA_TYPE.test(text);
}
