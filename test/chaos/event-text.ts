import { type ArtifactJson, type PartJson, type StreamResponseJson, type TaskStatusJson } from '#protocol';

/** What an event says, in one line: equal for the same event over every wire, and as it is stored. */
export function eventText({ task, statusUpdate, artifactUpdate }: StreamResponseJson): string {
  if (task) return 'task';
  if (statusUpdate) return `status ${statusText(statusUpdate.status)}`;
  const { artifact, append = false, lastChunk = false } = artifactUpdate!;
  return `artifact ${artifact!.artifactId} ${append ? 'goes on' : 'begins'}${lastChunk ? ' and ends' : ''}: ${textOf(artifact!.parts)}`;
}

/** All text of the parts. */
export function textOf(parts: readonly PartJson[] | undefined): string {
  return (parts ?? []).map(({ text }) => text ?? '').join('');
}

/** The artifacts' texts by their names. */
export function artifactTexts(artifacts: readonly ArtifactJson[] | undefined): Record<string, string> {
  return Object.fromEntries(
    (artifacts ?? []).map(({ name, artifactId, parts }) => [name ?? artifactId, textOf(parts)]),
  );
}

function statusText(status: TaskStatusJson | undefined): string {
  return `${status?.state} ${textOf(status?.message?.parts)}`;
}
