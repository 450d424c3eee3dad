import { appendFile, mkdir, readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** One piece of work that was done: which step, by which process, and when (ISO 8601). */
export type WorkLogEntry = { step: string; process: number; at: string };

/** What the steps leave outside of the server: a file for each task, with a line for each time that a step was done. */
export class WorkLog {
  constructor(private readonly dir = join(tmpdir(), 'perdure-release')) {}

  /** Adds an entry. */
  async add(taskId: string, entry: WorkLogEntry): Promise<void> {
    await mkdir(this.dir, { recursive: true });
    await appendFile(this.file(taskId), `${JSON.stringify(entry)}\n`);
  }

  /** All entries of the task, oldest first. */
  async read(taskId: string): Promise<WorkLogEntry[]> {
    const lines = (await readFile(this.file(taskId), 'utf8')).trim().split('\n');
    return lines.map((line) => JSON.parse(line) as WorkLogEntry);
  }

  private file(taskId: string): string {
    return join(this.dir, `${encodeURIComponent(taskId)}.jsonl`);
  }
}
