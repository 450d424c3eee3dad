import type pg from 'pg';

/** A pool, a client, or a client inside a transaction: what a repository runs its statements on. */
export type Queryable = Pick<pg.ClientBase, 'query'>;

/** The pool and its transactions. */
export class Database {
  constructor(readonly pool: pg.Pool) {}

  /**
   * Runs `work` in one transaction, and again when Postgres broke a deadlock or a serialization conflict on it.
   * Whatever `work` throws rolls everything back and is thrown on.
   */
  async transaction<T>(work: (tx: Queryable) => Promise<T>): Promise<T> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.once(work);
      } catch (error) {
        if (attempt === 5 || !isConflict(error)) throw error;
      }
    }
  }

  private async once<T>(work: (tx: Queryable) => Promise<T>): Promise<T> {
    const client = await this.pool.connect();
    let broken: Error | undefined;
    try {
      await client.query('begin');
      const result = await work(client);
      await client.query('commit');
      return result;
    } catch (error) {
      await client.query('rollback').catch((failure: Error) => (broken = failure));
      throw error;
    } finally {
      client.release(broken);
    }
  }
}

/** SQLSTATE of an error that came from Postgres, else undefined. */
export function sqlState(error: unknown): string | undefined {
  const code = (error as { code?: unknown } | null)?.code;
  return typeof code === 'string' && /^[0-9A-Z]{5}$/.test(code) ? code : undefined;
}

/** The constraint that a Postgres error names. */
export function constraintOf(error: unknown): string | undefined {
  return (error as { constraint?: string } | null)?.constraint;
}

/** Deadlock or serialization failure: nothing was written, and trying again is the remedy (SQLSTATE class 40). */
export function isConflict(error: unknown): boolean {
  return sqlState(error)?.startsWith('40') ?? false;
}
