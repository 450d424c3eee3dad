import { type JsonObject } from '@bufbuild/protobuf';
import { base64Decode } from '@bufbuild/protobuf/wire';
import { A2AError, jsonViolation } from '#protocol';

/**
 * A place in a client's JSON: its value, and the path under which the client knows it. Every look at it either gives what was
 * asked for or throws A2AError INVALID_PARAMS with path and fact. Null counts as absent; what nobody asks for is ignored.
 */
export class JsonField {
  private constructor(
    private readonly value: unknown,
    private readonly path: string,
  ) {}

  /** The params of a request, none where absent, safe to keep: neither too deep, nor with texts that the database does not take. */
  static params(json: unknown): JsonField {
    const given = json ?? {};
    const unfit = jsonViolation(given);
    if (unfit) throw A2AError.invalidParams([unfit]);
    const params = new JsonField(given, '');
    params.object();
    return params;
  }

  get absent(): boolean {
    return this.value === undefined || this.value === null;
  }

  /** A member of the object that stands here; absent where the object has none of that name. */
  member(name: string): JsonField {
    const object = this.object();
    return new JsonField(Object.hasOwn(object, name) ? object[name] : undefined, this.below(name));
  }

  /** What `read` makes of the value; undefined where it is absent. */
  optional<T>(read: (field: JsonField) => T): T | undefined {
    return this.absent ? undefined : read(this);
  }

  /** What `read` makes of each element of the array that stands here. */
  list<T>(read: (field: JsonField) => T): T[] {
    if (this.absent) throw this.violation('is required');
    if (!Array.isArray(this.value)) throw this.violation(`must be an array, not ${this.kind}`);
    return this.value.map((element, index) => read(new JsonField(element, `${this.path}[${index}]`)));
  }

  object(): JsonObject {
    if (this.absent) throw this.violation('is required');
    if (typeof this.value !== 'object' || Array.isArray(this.value)) {
      throw this.violation(`must be an object, not ${this.kind}`);
    }
    return this.value as JsonObject;
  }

  text(): string {
    if (this.absent) throw this.violation('is required');
    if (typeof this.value !== 'string') throw this.violation(`must be a string, not ${this.kind}`);
    return this.value;
  }

  /** A text that names something. */
  name(): string {
    const text = this.text();
    if (text === '') throw this.violation('is required and must not be empty');
    return text;
  }

  /** One of a few texts. */
  choice<T extends string>(choices: readonly T[]): T {
    const text = this.text();
    const choice = choices.find((one) => one === text);
    if (choice === undefined) throw this.violation(`must be one of ${choices.join(', ')}`);
    return choice;
  }

  /** Bytes, of base64. */
  bytes(): Uint8Array {
    try {
      return base64Decode(this.text());
    } catch (error) {
      throw error instanceof A2AError ? error : this.violation('is not valid base64');
    }
  }

  flag(): boolean {
    if (typeof this.value !== 'boolean') throw this.violation(`must be true or false, not ${this.kind}`);
    return this.value;
  }

  /** A whole number, 0 or more. */
  count(): number {
    const { value } = this;
    if (typeof value !== 'number' || !Number.isInteger(value) || value < 0 || value > MAX_COUNT) {
      throw this.violation(`must be a whole number from 0 to ${MAX_COUNT}`);
    }
    return value;
  }

  /** What is wrong here, or with a member of this name. */
  violation(fact: string, member?: string): A2AError {
    return A2AError.invalidParams(member === undefined ? this.path : this.below(member), fact);
  }

  private below(name: string): string {
    return this.path === '' ? name : `${this.path}.${name}`;
  }

  private get kind(): string {
    if (this.absent) return 'absent';
    return Array.isArray(this.value) ? 'array' : typeof this.value;
  }
}

/** The largest int32: the protocol's counts are such. */
const MAX_COUNT = 2_147_483_647;
