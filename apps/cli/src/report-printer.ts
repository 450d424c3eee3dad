import { ExitCode } from './cli-error.js';
import { type Terminal } from './terminal.js';
import { counted } from './text-table.js';

/** What the server reports of an operator's action on one thing. */
export interface ActionReport {
  readonly outcome: 'done' | 'possible' | 'refused';
  readonly text: string;
}

/** Prints what became of each thing as it comes, so that nothing which was done goes unsaid where a later page fails. */
export class ReportPrinter<Report extends ActionReport> {
  private readonly all: Report[] = [];

  constructor(
    private readonly terminal: Terminal,
    private readonly options: {
      /** What one of the things is called, such as `task`. */
      readonly noun: string;
      readonly nameOf: (report: Report) => string;
      readonly json?: boolean;
    },
  ) {}

  print(reports: readonly Report[]): void {
    this.all.push(...reports);
    if (this.options.json) return;
    for (const report of reports) {
      this.terminal.line(`${report.outcome.padEnd(8)}  ${this.options.nameOf(report)}  ${report.text}`);
    }
  }

  end(): void {
    const { json, noun } = this.options;
    const refused = this.all.filter(({ outcome }) => outcome === 'refused').length;
    if (refused > 0) this.terminal.exitCode = ExitCode.task;
    if (json) this.terminal.json(this.all, 2);
    else if (this.all.length !== 1) this.terminal.note(`${counted(this.all.length, noun)}, ${refused} refused`);
  }
}
