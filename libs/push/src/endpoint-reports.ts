import { type Config, type Logger } from '#platform';
import { type EndpointFailures, type EndpointHealth, type PushEndpointKey, type Store } from '#store';

type HealthConfig = Pick<Config, 'pushBreaker' | 'pushBreakerMaxMs' | 'pushDisableMs'>;

interface Report extends EndpointFailures {
  readonly hasSucceeded: boolean;
}

/** Endpoints that are remembered here as failing; of others the database tells. */
const MAX_FAILING = 10_000;
/** The first pause of an endpoint that counts as down. */
const MIN_OPEN_MS = 1_000;

/**
 * Writes down how endpoints answer, and tells operators what comes of it. What comes while one statement is under way goes into
 * the next. A report that is lost costs an attempt or two.
 */
export class EndpointReports {
  private reports = new Map<string, Report>();
  /** The endpoints that have failed here since they have succeeded. */
  private readonly failing = new Set<string>();
  private writing: Promise<void> | undefined;

  constructor(
    private readonly store: Store,
    private readonly config: HealthConfig,
    private readonly logger: Logger,
  ) {}

  /** An attempt has failed; the receiver asks to be left alone for `pauseMs`. */
  failed({ tenantId, endpoint }: PushEndpointKey, pauseMs = 0): void {
    const known = this.reports.get(keyOf(tenantId, endpoint));
    if (this.failing.size >= MAX_FAILING) this.failing.clear();
    this.failing.add(keyOf(tenantId, endpoint));
    this.add({
      tenantId,
      endpoint,
      failures: (known?.failures ?? 0) + 1,
      pauseMs: Math.max(pauseMs, known?.pauseMs ?? 0),
      hasSucceeded: known?.hasSucceeded ?? false,
    });
  }

  /** What has failed before does not count any more. Costs nothing where nothing has, here or elsewhere (`hasFailed`). */
  succeeded({ tenantId, endpoint }: PushEndpointKey, hasFailed: boolean): void {
    const hasFailedHere = this.failing.delete(keyOf(tenantId, endpoint));
    if (hasFailed || hasFailedHere) this.add({ tenantId, endpoint, failures: 0, pauseMs: 0, hasSucceeded: true });
  }

  /** Resolves when all reports are written. */
  async written(): Promise<void> {
    while (this.writing) await this.writing;
  }

  private add(report: Report): void {
    this.reports.set(keyOf(report.tenantId, report.endpoint), report);
    this.writing ??= this.writeAll().finally(() => (this.writing = undefined));
  }

  private async writeAll(): Promise<void> {
    await new Promise(setImmediate);
    while (this.reports.size > 0) {
      const reports = [...this.reports.values()];
      this.reports = new Map();
      try {
        await this.write(reports);
      } catch (error) {
        this.logger.warn({ err: error }, 'push.health_failed');
      }
    }
  }

  private async write(reports: readonly Report[]): Promise<void> {
    const { pushEndpoints, db } = this.store;
    const { pushBreaker: threshold, pushBreakerMaxMs: maxOpenMs, pushDisableMs: disableMs } = this.config;
    const successes = reports.filter(({ hasSucceeded }) => hasSucceeded);
    const failures = reports.filter((report) => report.failures > 0);
    const closed = successes.length > 0 ? await pushEndpoints.succeeded(db, successes, threshold) : [];
    for (const { tenantId, endpoint } of closed)
      this.logger.info({ tenant: tenantId, endpoint }, 'push.breaker_closed');
    if (failures.length === 0) return;
    const terms = { threshold, minOpenMs: Math.min(MIN_OPEN_MS, maxOpenMs), maxOpenMs, disableMs };
    for (const health of await pushEndpoints.failed(db, failures, terms)) this.tell(health);
  }

  private tell({ tenantId, endpoint, failures, failingMs, isOpened, isDisabled }: EndpointHealth): void {
    const facts = { tenant: tenantId, endpoint, failures, failingMs: Math.round(failingMs) };
    if (isOpened) this.logger.warn(facts, 'push.breaker_opened');
    if (isDisabled) this.logger.error(facts, 'push.endpoint_disabled');
  }
}

function keyOf(tenantId: string, endpoint: string): string {
  return `${tenantId} ${endpoint}`;
}
