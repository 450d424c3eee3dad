import { A2AError } from '#protocol';

/** Where fields of a request of 1.0 stand in the request of another version, applied one after the other. */
export type FieldNames = readonly (readonly [RegExp, string])[];

/** What was thrown, with the fields of its violations under the names that its caller knows. */
export function renamed(thrown: unknown, names: FieldNames): unknown {
  if (!(thrown instanceof A2AError) || thrown.reason !== 'INVALID_PARAMS') return thrown;
  const violations = thrown.violations.map(({ field, description }) => ({ field: nameOf(field, names), description }));
  const differs = violations.some(({ field }, index) => field !== thrown.violations[index]?.field);
  return differs ? A2AError.invalidParams(violations) : thrown;
}

function nameOf(field: string, names: FieldNames): string {
  return names.reduce((path, [pattern, name]) => path.replace(pattern, name), field);
}
