import { InvalidOutputError } from './agent-output.js';

/** The agent went over one of the server's limits. The text is for its author, and names the setting that holds the limit. */
export class OverLimitError extends InvalidOutputError {
  override readonly name = 'OverLimitError';

  /** @param setting the environment variable that holds the limit. */
  constructor(
    fact: string,
    readonly setting: string,
    advice?: string,
  ) {
    super(`${fact} (${setting})${advice === undefined ? '' : `: ${advice}`}`);
  }
}
