interface Route {
  readonly methods: readonly string[];
  readonly pattern: RegExp;
}

/** The routes of the server, for telling a wrong method (405) from a wrong address (404). */
export class RouteTable {
  private readonly routes: Route[] = [];

  /** Takes a route in Fastify's spelling: `/agents/:agent`, `::` for a colon, `:id(.+)` where text follows. */
  add(methods: string | readonly string[], url: string): void {
    const pattern = url
      .replace(/\/$/, '')
      .split(/(::|:[A-Za-z]\w*(?:\(\.\+\))?)/)
      .map((piece) => (piece === '::' ? ':' : piece.startsWith(':') ? '[^/]+' : escaped(piece)))
      .join('');
    this.routes.push({ methods: [methods].flat(), pattern: new RegExp(`^${pattern}/?$`) });
  }

  /** The methods that are served at a path (no query), sorted; none where nothing is. */
  methodsAt(path: string): string[] {
    const found = this.routes.filter(({ pattern }) => pattern.test(path)).flatMap(({ methods }) => methods);
    return [...new Set(found)].sort();
  }
}

function escaped(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
}
