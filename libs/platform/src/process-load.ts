import { constants, type PerformanceEntry, PerformanceObserver } from 'node:perf_hooks';
import { getHeapStatistics } from 'node:v8';

const LOOK_MS = 100;
/** One long turn of the event loop is a handler that computes; so many looks in a row that come late are too much to do. */
const LATE_LOOKS = 3;

/** How busy this process is: how late its event loop is, and how full its heap. Looked at ten times a second. */
export class ProcessLoad {
  /** Milliseconds by which each of the last looks came late, or more. */
  loopDelayMs = 0;
  /** Percent of the heap's limit that was in use after the last full collection: what is used in between is garbage too. */
  heapPercent = 0;
  private readonly lates: number[] = [];
  private readonly collections = new PerformanceObserver((list) => {
    if (list.getEntries().some(isFullCollection)) this.heapPercent = usedHeapPercent();
  });
  private timer: NodeJS.Timeout | undefined;

  /** Calls `looked` after each look. */
  start(looked: () => void): void {
    this.collections.observe({ entryTypes: ['gc'] });
    let last = performance.now();
    this.timer = setInterval(() => {
      const now = performance.now();
      this.look(now - last - LOOK_MS);
      last = now;
      looked();
    }, LOOK_MS).unref();
  }

  stop(): void {
    clearInterval(this.timer);
    this.collections.disconnect();
  }

  private look(lateMs: number): void {
    this.lates.push(Math.max(0, lateMs));
    if (this.lates.length > LATE_LOOKS) this.lates.shift();
    this.loopDelayMs = this.lates.length < LATE_LOOKS ? 0 : Math.min(...this.lates);
  }
}

function isFullCollection(entry: PerformanceEntry): boolean {
  const { detail } = entry as { readonly detail?: { readonly kind?: number } };
  return detail?.kind === constants.NODE_PERFORMANCE_GC_MAJOR;
}

function usedHeapPercent(): number {
  const { used_heap_size: used, heap_size_limit: limit } = getHeapStatistics();
  return (100 * used) / limit;
}
