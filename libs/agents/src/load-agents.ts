import { readdir, stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { createJiti } from 'jiti';
import type { Agent } from './agent.js';
import { AgentLoadError, type AgentProblem } from './agent-load-error.js';
import { isAgentDefinition } from './define-agent.js';
import { type AgentDefaults, normaliseAgent } from './normalise-agent.js';
import * as sdk from './sdk.js';

const AGENT_FILE = /^(.+)\.agent\.[cm]?[jt]s$/;

/**
 * The agents of every `*.agent.ts`, `.js`, `.mts`, `.mjs`, `.cts`, `.cjs` in the folders and in their direct sub-folders,
 * ordered by id. TypeScript loads as it is, from any folder, and `perdure` is this very version of the SDK there.
 * Rejects with an {@link AgentLoadError} that lists everything wrong in any file, and when there is no agent at all.
 */
export async function loadAgents(dirs: readonly string[], defaults: AgentDefaults): Promise<Agent[]> {
  const load = new AgentLoad(defaults);
  for (const dir of new Set(dirs.map((name) => resolve(name)))) await load.folder(dir);
  return load.result(dirs);
}

class AgentLoad {
  private readonly agents = new Map<string, Agent>();
  private readonly problems: AgentProblem[] = [];
  private readonly files = new Set<string>();
  private cause: unknown;
  // No cache on disk: a changed file is always read afresh, and nobody else can plant compiled code in a shared folder.
  private readonly modules = createJiti(import.meta.url, { fsCache: false, virtualModules: { perdure: sdk } });

  constructor(private readonly defaults: AgentDefaults) {}

  async folder(dir: string, depth = 0): Promise<void> {
    const names = await readdir(dir).catch((error: NodeJS.ErrnoException) => this.unreadable(dir, error));
    for (const name of names.sort()) {
      if (name.startsWith('.') || name === 'node_modules') continue;
      const path = join(dir, name);
      // Follows symbolic links: mounted configuration often consists of them.
      const entry = await stat(path).catch(() => undefined);
      const id = AGENT_FILE.exec(name)?.[1];
      if (entry?.isDirectory() && depth === 0) await this.folder(path, depth + 1);
      else if (id && !entry) this.refuse(path, 'it is a link that leads nowhere, or may not be read');
      else if (id && entry?.isFile()) await this.file(path, id);
    }
  }

  result(dirs: readonly string[]): Agent[] {
    const roots = [...this.agents.values()].filter((agent) => agent.default);
    for (const agent of roots.slice(1)) {
      this.refuse(agent.source, `only one agent can have default: true, and ${roots[0]?.source} has it already`);
    }
    if (this.problems.length === 0 && this.agents.size === 0) {
      this.refuse(dirs.join(', '), 'there is no file named *.agent.ts or *.agent.js here');
    }
    if (this.problems.length > 0) throw new AgentLoadError(this.problems, { cause: this.cause });
    return [...this.agents.values()].sort((a, b) => (a.id < b.id ? -1 : 1));
  }

  private async file(path: string, name: string): Promise<void> {
    // Folders may overlap: `serve . agents`.
    if (this.files.has(path)) return;
    this.files.add(path);
    const definition = await this.definition(path);
    if (definition === undefined) return;
    const { agent, problems } = normaliseAgent(definition, { name, path }, this.defaults);
    for (const message of problems) this.refuse(path, message);
    if (!agent) return;
    const twin = this.agents.get(agent.id);
    if (twin) this.refuse(path, `id "${agent.id}" is taken by ${twin.source}`);
    else this.agents.set(agent.id, agent);
  }

  private async definition(path: string): Promise<sdk.AgentDefinition | undefined> {
    try {
      const definition = await this.modules.import<unknown>(path, { default: true });
      if (isAgentDefinition(definition)) return definition;
      this.refuse(path, 'the file must have the line: export default defineAgent({ … })');
    } catch (error) {
      this.cause ??= error;
      this.refuse(path, explain(error, path));
    }
    return undefined;
  }

  private unreadable(dir: string, error: NodeJS.ErrnoException): string[] {
    this.refuse(dir, error.code === 'ENOENT' ? 'there is no such folder' : error.message);
    return [];
  }

  private refuse(file: string, message: string): void {
    this.problems.push({ file, message });
  }
}

/** The error's text in one line, with the line of the agent file that led to it where the error tells. */
function explain(error: unknown, path: string): string {
  if (!(error instanceof Error)) return `it threw ${JSON.stringify(error) ?? String(error)}`;
  const text = `${error.name}: ${error.message.replace(/\nRequire stack:[^]*$/, '')}`.replace(/\s*\n\s*/g, ' ');
  const at = error.stack?.split('\n').find((line) => line.includes(`${path}:`));
  const line = at && /:(\d+):\d+\)?$/.exec(at)?.[1];
  return line && !text.includes(`${path}:`) ? `${text} (line ${line})` : text;
}
