/** A statement on its way to Postgres. */
export interface Query {
  /** Of a prepared statement, else empty. */
  readonly name: string;
  readonly text: string;
}

const QUERY = 0x51;
const PARSE = 0x50;
const BIND = 0x42;

/** Reads the statements out of what one client sends to Postgres, in whatever pieces it comes. */
export class QueryMessages {
  private rest: Buffer = Buffer.alloc(0);
  private isStarted = false;
  private readonly prepared = new Map<string, string>();

  /** The statements that are whole with this piece. */
  of(data: Buffer): Query[] {
    this.rest = this.rest.length === 0 ? data : Buffer.concat([this.rest, data]);
    const queries: Query[] = [];
    for (;;) {
      // The startup packet is the only one without a type.
      const typeBytes = this.isStarted ? 1 : 0;
      if (this.rest.length < typeBytes + 4) return queries;
      const length = typeBytes + this.rest.readInt32BE(typeBytes);
      if (this.rest.length < length) return queries;
      const query = this.isStarted ? this.read(this.rest[0]!, this.rest.subarray(5, length)) : undefined;
      this.isStarted = true;
      if (query) queries.push(query);
      this.rest = this.rest.subarray(length);
    }
  }

  private read(type: number, body: Buffer): Query | undefined {
    if (type === QUERY) return { name: '', text: firstText(body) };
    if (type === PARSE) {
      const name = firstText(body);
      this.prepared.set(name, firstText(body.subarray(Buffer.byteLength(name) + 1)));
    }
    if (type !== BIND) return undefined;
    const portal = firstText(body);
    const name = firstText(body.subarray(Buffer.byteLength(portal) + 1));
    return { name, text: this.prepared.get(name) ?? '' };
  }
}

function firstText(body: Buffer): string {
  return body.toString('utf8', 0, body.indexOf(0));
}
