/** One thing that is wrong with one agent file or folder. */
export interface AgentProblem {
  /** The file or folder, as an absolute path. */
  readonly file: string;
  /** What is wrong with it: a sentence for the author. */
  readonly message: string;
}

/** Agents did not load. The message lists every problem with its file; `cause` is the first file's own error, if it threw. */
export class AgentLoadError extends Error {
  override readonly name = 'AgentLoadError';

  constructor(
    readonly problems: readonly AgentProblem[],
    options?: ErrorOptions,
  ) {
    super(
      ['These agents cannot be loaded:', ...problems.map(({ file, message }) => `  ${file}: ${message}`)].join('\n'),
      options,
    );
  }
}
