import { appendFile, mkdir, readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** One time that a step ran: which step, in which attempt, and when (ISO 8601). */
export type StepLogEntry = { step: string; attempt: number; at: string };

/** Writes down outside of the server, in a file for each task, every time that a step really runs. */
export class StepLog {
  constructor(private readonly dir = join(tmpdir(), 'perdure-flaky')) {}

  /** Adds an entry, at the present time. */
  async add(taskId: string, entry: Omit<StepLogEntry, 'at'>): Promise<void> {
    await mkdir(this.dir, { recursive: true });
    await appendFile(this.file(taskId), `${JSON.stringify({ ...entry, at: new Date().toISOString() })}\n`);
  }

  /** All entries of the task, oldest first. */
  async read(taskId: string): Promise<StepLogEntry[]> {
    const lines = (await readFile(this.file(taskId), 'utf8')).trim().split('\n');
    return lines.map((line) => JSON.parse(line) as StepLogEntry);
  }

  private file(taskId: string): string {
    return join(this.dir, `${encodeURIComponent(taskId)}.jsonl`);
  }
}
