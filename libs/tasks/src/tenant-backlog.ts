import { type Config } from '#platform';
import { A2AError } from '#protocol';
import { type Store } from '#store';

/** How long a count is taken for what it was, with what this process has added since. */
const FRESH_MS = 1_000;
/** Whoever is refused has been counted for no longer than that. */
const EXACT_MS = 20;
const RETRY_AFTER_MS = 1_000;
const TENANTS_KNOWN = 1_000;

interface Known {
  count: number;
  countedAt: number;
  /** Accepted here, and not committed yet. */
  pending: number;
  counting?: Promise<void>;
}

/**
 * Bounds how many tasks of a tenant may wait to begin. Asked only for new tasks that do not begin at once; one process counts
 * about once a second, so several may exceed the bound by what they accept in that time.
 */
export class TenantBacklog {
  private readonly tenants = new Map<string, Known>();

  constructor(
    private readonly store: Store,
    private readonly config: Pick<Config, 'maxBacklog'>,
  ) {}

  /**
   * Makes room for one more task that waits. The caller says when it is committed, or is not going to be.
   * @throws A2AError RESOURCE_EXHAUSTED.
   */
  async admit(tenant: string): Promise<(isCommitted: boolean) => void> {
    const known = this.known(tenant);
    if (!hasRoom(known, this.config.maxBacklog) || age(known) > FRESH_MS) {
      if (age(known) > EXACT_MS) await (known.counting ??= this.count(tenant, known));
      if (!hasRoom(known, this.config.maxBacklog)) throw this.refusal();
    }
    known.pending++;
    return (isCommitted) => {
      known.pending--;
      if (isCommitted) known.count++;
    };
  }

  private async count(tenant: string, known: Known): Promise<void> {
    try {
      known.count = await this.store.tasks.countSubmitted(this.store.db, tenant);
      known.countedAt = performance.now();
    } finally {
      known.counting = undefined;
    }
  }

  private known(tenant: string): Known {
    let known = this.tenants.get(tenant);
    if (!known) {
      known = { count: 0, countedAt: -Infinity, pending: 0 };
      this.tenants.set(tenant, known);
      if (this.tenants.size > TENANTS_KNOWN) this.tenants.delete(this.tenants.keys().next().value!);
    }
    return known;
  }

  private refusal(): A2AError {
    const { maxBacklog } = this.config;
    const message = `${maxBacklog} tasks of this tenant wait to begin, as many as may (PERDURE_MAX_BACKLOG)`;
    return new A2AError('RESOURCE_EXHAUSTED', { message, retryAfterMs: RETRY_AFTER_MS });
  }
}

function hasRoom({ count, pending }: Known, limit: number): boolean {
  return count + pending < limit;
}

function age({ countedAt }: Known): number {
  return performance.now() - countedAt;
}
