import type { Agent } from './agent.js';

/** The agents this process serves, by id. */
export class AgentRegistry {
  /** The agent at the server's root address: the one that asked for it, else the first by id. */
  readonly default: Agent;
  private readonly agents: ReadonlyMap<string, Agent>;

  /** Throws an Error when there is no agent at all. */
  constructor(agents: readonly Agent[]) {
    const sorted = [...agents].sort((a, b) => (a.id < b.id ? -1 : 1));
    const first = sorted.find((agent) => agent.default) ?? sorted[0];
    if (!first) throw new Error('There is no agent to serve');
    this.default = first;
    this.agents = new Map(sorted.map((agent) => [agent.id, agent]));
  }

  /** The agent of that id, or undefined. */
  get(id: string): Agent | undefined {
    return this.agents.get(id);
  }

  /** The agents that the server names in its lists, ordered by id. */
  listed(): Agent[] {
    return this.all().filter(({ listed }) => listed);
  }

  /** All agents, ordered by id. */
  all(): Agent[] {
    return [...this.agents.values()];
  }
}
