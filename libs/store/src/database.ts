import type pg from 'pg';
import { databaseError, DatabaseUnavailableError, isConflict, isReadOnly } from './database-error.js';

/** A pool, a client, or a client inside a transaction: what a repository runs its statements on. */
export type Queryable = Pick<pg.ClientBase, 'query'>;

/** The pool and its transactions. What fails because of the database fails with DatabaseUnavailableError where a later try may not. */
export class Database {
  /** For single statements. */
  readonly statements: Queryable;

  constructor(readonly pool: pg.Pool) {
    this.statements = withDatabaseErrors(pool);
  }

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
    const client = await this.pool.connect().catch((error: unknown) => {
      throw databaseError(error);
    });
    const tx = withDatabaseErrors(client);
    let broken: Error | undefined;
    try {
      await tx.query('begin');
      const result = await work(tx);
      await tx.query('commit');
      return result;
    } catch (error) {
      await client.query('rollback').catch((failure: Error) => (broken = failure));
      // The connection stays with what is a standby now; the next one may lead to its successor.
      if (error instanceof DatabaseUnavailableError && isReadOnly(error.cause)) broken = error;
      throw error;
    } finally {
      client.release(broken);
    }
  }
}

function withDatabaseErrors(connection: Queryable): Queryable {
  const query = async (...args: unknown[]) => {
    try {
      return await (connection.query as (...args: unknown[]) => Promise<unknown>).apply(connection, args);
    } catch (error) {
      throw databaseError(error);
    }
  };
  return { query: query as Queryable['query'] };
}
