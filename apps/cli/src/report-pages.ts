import { type AdminClient } from './admin-client.js';
import { type ActionReport } from './report-printer.js';

/** Things that one call acts on. */
export const PAGE = 50;

/** Has an action done to what a filter finds, `limit` things at most, page by page: each comes once, also where it fails again meanwhile. */
export async function* reportPages<Report extends ActionReport>(
  client: AdminClient,
  path: string,
  body: object,
  limit: number,
): AsyncGenerator<readonly Report[]> {
  let cursor: string | undefined;
  let left = limit;
  do {
    const page = { ...body, limit: Math.min(PAGE, left), cursor };
    const { results, nextCursor } = await client.post<{ results: Report[]; nextCursor?: string }>(path, page);
    yield results;
    left -= results.length;
    cursor = nextCursor;
  } while (cursor !== undefined && left > 0);
}

/** To how many things it can be done. */
export async function possible(planned: AsyncIterable<readonly ActionReport[]>): Promise<number> {
  let count = 0;
  for await (const page of planned) count += page.filter(({ outcome }) => outcome === 'possible').length;
  return count;
}
