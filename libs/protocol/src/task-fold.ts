import { type JsonObject } from '@bufbuild/protobuf';
import { type Artifact, type StreamResponse, type Task, type TaskArtifactUpdateEvent } from './gen/lf/a2a/v1/a2a_pb.js';

/**
 * Takes one event of its stream into `task`, in place: a Task replaces all of it, a status update its status, an artifact
 * update its artifacts; a bare Message changes nothing. History is no part of the fold: events do not carry it.
 * The event is never changed and shares no list with `task` afterwards. The cost does not grow with the task.
 */
export function applyEvent(task: Task, event: StreamResponse): void {
  const { payload } = event;
  if (payload.case === 'task') replaceTask(task, payload.value);
  if (payload.case === 'statusUpdate') task.status = payload.value.status;
  if (payload.case === 'artifactUpdate') applyArtifactUpdate(task.artifacts, payload.value);
}

/**
 * Takes an artifact update into `artifacts`, in place. With `append` its parts go behind those of the artifact with the same
 * id, and a name, description, metadata key or extension it brings along is taken over; without, it replaces that artifact.
 * An id that is not there yet is added in both cases. An event without an artifact changes nothing.
 */
export function applyArtifactUpdate(artifacts: Artifact[], event: TaskArtifactUpdateEvent): void {
  const chunk = event.artifact;
  if (!chunk) return;
  const position = positionOf(artifacts, chunk.artifactId);
  const existing = artifacts[position];
  if (!existing) {
    artifacts.push(ownCopy(chunk));
  } else if (event.append) {
    extend(existing, chunk);
  } else {
    artifacts[position] = ownCopy(chunk);
  }
}

function replaceTask(task: Task, whole: Task): void {
  task.id = whole.id;
  task.contextId = whole.contextId;
  task.status = whole.status;
  task.artifacts = whole.artifacts.map(ownCopy);
  task.history = [...whole.history];
  task.metadata = whole.metadata;
}

function extend(artifact: Artifact, chunk: Artifact): void {
  // One by one: spreading a long list into push() overflows the stack.
  for (const part of chunk.parts) artifact.parts.push(part);
  if (chunk.name !== '') artifact.name = chunk.name;
  if (chunk.description !== '') artifact.description = chunk.description;
  if (chunk.metadata) artifact.metadata = merged(artifact.metadata, chunk.metadata);
  if (chunk.extensions.length > 0) artifact.extensions = [...new Set([...artifact.extensions, ...chunk.extensions])];
}

function merged(metadata: JsonObject | undefined, more: JsonObject): JsonObject {
  return { ...metadata, ...more };
}

/** The event's artifact is shared by every subscriber; the fold appends to a copy of its lists. */
function ownCopy(artifact: Artifact): Artifact {
  return { ...artifact, parts: [...artifact.parts], extensions: [...artifact.extensions] };
}

/** Where each artifact id stands in a list of artifacts, so that finding one does not take longer the more there are. */
const positionsByList = new WeakMap<Artifact[], Map<string, number>>();

/** The place of the artifact in the list; behind its end, where it is about to be added, when it is not there. */
function positionOf(artifacts: Artifact[], artifactId: string): number {
  let positions = positionsByList.get(artifacts);
  const position = positions?.get(artifactId);
  if (position !== undefined && artifacts[position]?.artifactId === artifactId) return position;
  // The list is new here, or somebody else changed it.
  if (!positions || position !== undefined || positions.size !== artifacts.length) {
    positions = new Map(artifacts.map((artifact, index) => [artifact.artifactId, index]));
    positionsByList.set(artifacts, positions);
  }
  const found = positions.get(artifactId) ?? artifacts.length;
  positions.set(artifactId, found);
  return found;
}
