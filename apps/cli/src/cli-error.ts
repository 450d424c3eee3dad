/** What a process ends with: `task` for a task that failed, was rejected or canceled, and for a server that cannot start. */
export const ExitCode = { ok: 0, task: 1, start: 1, error: 2 } as const;

/** One of the values of the table `ExitCode`. */
export type ExitCode = (typeof ExitCode)[keyof typeof ExitCode];

/** Ends the command with a message for the person at the terminal, without a stack, and with this exit code. */
export class CliError extends Error {
  override readonly name: string = 'CliError';

  constructor(
    message: string,
    readonly exitCode: ExitCode = ExitCode.error,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}
