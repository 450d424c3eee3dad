import { create, fromJson, type JsonObject, type JsonValue, toJson } from '@bufbuild/protobuf';
import { ValueSchema } from '@bufbuild/protobuf/wkt';
import { type Part, PartSchema, partViolations } from '#protocol';
import { type JsonField } from './json-field.js';

/** The member by which a part says what it is: `kind` in 0.3, `type` in the first dialect. */
export type PartTag = 'kind' | 'type';

/** Where 0.3 cannot hold a data part's value, an array say, it stands in an object, and this member of the metadata says so. */
const WRAPPED = 'data_part_compat';

/** A client's part as 1.0 has it. Throws A2AError INVALID_PARAMS that names the field in the client's own terms. */
export function partFrom(field: JsonField, tag: PartTag): Part {
  const metadata = field.member('metadata').optional((member) => member.object());
  switch (field.member(tag).choice(['text', 'file', 'data'])) {
    case 'text':
      return create(PartSchema, { content: { case: 'text', value: field.member('text').text() }, metadata });
    case 'file':
      return filePartFrom(field.member('file'), metadata);
    case 'data':
      return dataPartFrom(field.member('data').object(), metadata);
  }
}

function filePartFrom(file: JsonField, metadata: JsonObject | undefined): Part {
  const part = create(PartSchema, {
    content: fileContent(file),
    filename: file.member('name').optional((name) => name.text()),
    mediaType: file.member('mimeType').optional((mimeType) => mimeType.text()),
    metadata,
  });
  const [violation] = partViolations([part], '');
  if (violation) throw file.violation(violation.description, violation.field.endsWith('url') ? 'uri' : 'mimeType');
  return part;
}

function fileContent(file: JsonField): Part['content'] {
  const bytes = file.member('bytes');
  const uri = file.member('uri');
  if (bytes.absent === uri.absent) throw file.violation('must have either bytes or uri');
  return uri.absent ? { case: 'raw', value: bytes.bytes() } : { case: 'url', value: uri.text() };
}

function dataPartFrom(data: JsonObject, metadata: JsonObject | undefined): Part {
  if (metadata?.[WRAPPED] !== true || !('value' in data)) return dataPart(data, metadata);
  const others = Object.entries(metadata).filter(([name]) => name !== WRAPPED);
  return dataPart(data.value ?? null, others.length > 0 ? Object.fromEntries(others) : undefined);
}

function dataPart(data: JsonValue, metadata: JsonObject | undefined): Part {
  return create(PartSchema, { content: { case: 'data', value: fromJson(ValueSchema, data) }, metadata });
}

/** A part as the older dialects have it. Name and media type of a text or data part have no place there. */
export function partTo({ content, filename, mediaType, metadata }: Part, tag: PartTag): JsonObject {
  const file = { ...(filename !== '' && { name: filename }), ...(mediaType !== '' && { mimeType: mediaType }) };
  switch (content.case) {
    case 'raw':
      return { [tag]: 'file', file: { bytes: base64(content.value), ...file }, ...(metadata && { metadata }) };
    case 'url':
      return { [tag]: 'file', file: { uri: content.value, ...file }, ...(metadata && { metadata }) };
    case 'data':
      return dataPartTo(toJson(ValueSchema, content.value), tag, metadata);
    default:
      return { [tag]: 'text', text: content.value ?? '', ...(metadata && { metadata }) };
  }
}

function dataPartTo(data: JsonValue, tag: PartTag, metadata: JsonObject | undefined): JsonObject {
  if (typeof data === 'object' && data !== null && !Array.isArray(data)) {
    return { [tag]: 'data', data, ...(metadata && { metadata }) };
  }
  return { [tag]: 'data', data: { value: data }, metadata: { ...metadata, [WRAPPED]: true } };
}

function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64');
}
