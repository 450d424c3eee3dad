/** A key in a path is cut to this many characters: the path goes into an answer, the key comes from anyone. */
const MAX_KEY = 64;

/** The path of a member: `task.status`, `status` at the root, `metadata["odd key"]` for a key that is no identifier. */
export function memberPath(parent: string, key: string): string {
  const shown = key.length > MAX_KEY ? `${key.slice(0, MAX_KEY)}…` : key;
  if (!/^[A-Za-z_$@][\w$@-]*$/.test(shown)) return `${parent}[${JSON.stringify(shown)}]`;
  return parent === '' ? shown : `${parent}.${shown}`;
}

/** The path of an array's element: `parts[0]`. */
export function elementPath(parent: string, index: number): string {
  return `${parent}[${index}]`;
}
