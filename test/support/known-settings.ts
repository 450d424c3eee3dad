import { type Config, type EnvironmentVariables, loadConfig } from '#platform';

/** The names of all variables that the configuration is read from. */
export function knownSettings(): ReadonlySet<string> {
  const names = new Set<string>();
  const recorder = new Proxy<EnvironmentVariables>({}, { get: (_, name) => void names.add(String(name)) });
  loadConfig(recorder);
  return names;
}

/** The configuration of a container, once for sure that each of its variables means something. */
export function containerConfig(variables: EnvironmentVariables): Config {
  const known = knownSettings();
  const unknown = Object.keys(variables).filter((name) => !known.has(name));
  if (unknown.length > 0) throw new Error(`no such settings: ${unknown.join(', ')}`);
  return loadConfig(variables);
}
