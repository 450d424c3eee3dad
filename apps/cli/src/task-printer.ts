import type {
  ArtifactJson,
  MessageJson,
  PartJson,
  StreamResponseJson,
  TaskArtifactUpdateEventJson,
  TaskJson,
  TaskStatusJson,
} from '#protocol';
import { stateWord } from './task-state-word.js';
import { type Terminal } from './terminal.js';

/**
 * Prints what an agent says about a task, as text, in the order it comes: events as they arrive or whole tasks. What was
 * printed once (a status, the parts of an artifact) is not printed again when a snapshot repeats it.
 */
export class TaskPrinter {
  private taskId: string | undefined;
  private status: string | undefined;
  /** How many parts of each artifact are printed. */
  private readonly printedParts = new Map<string, number>();
  /** The artifact whose text stands last on the terminal, so that its next chunk goes right behind it. */
  private current: string | undefined;

  constructor(private readonly terminal: Terminal) {}

  event({ task, message, statusUpdate, artifactUpdate }: StreamResponseJson): void {
    if (task) this.task(task);
    if (message) this.message(message);
    if (statusUpdate) this.update(statusUpdate.taskId, () => this.printStatus(statusUpdate.status));
    if (artifactUpdate) this.update(artifactUpdate.taskId, () => this.chunk(artifactUpdate));
  }

  /** Artifacts first, so that the closing words or the question stand last. */
  task(task: TaskJson): void {
    this.update(task.id, () => {
      for (const artifact of task.artifacts ?? []) this.artifact(artifact);
      this.printStatus(task.status);
    });
  }

  message(message: MessageJson): void {
    this.printBlock(textOf(message.parts));
  }

  private update(taskId: string | undefined, print: () => void): void {
    if (taskId !== undefined && taskId !== this.taskId) this.printBlock(`task ${taskId}`);
    this.taskId = taskId ?? this.taskId;
    print();
  }

  private printStatus(status: TaskStatusJson | undefined): void {
    const key = JSON.stringify(status);
    if (!status || key === this.status) return;
    this.status = key;
    const text = textOf(status.message?.parts);
    const separator = text.includes('\n') ? '\n' : ' ';
    this.printBlock(text ? `${stateWord(status.state)}:${separator}${text}` : stateWord(status.state));
  }

  private artifact(artifact: ArtifactJson): void {
    const id = artifact.artifactId ?? '';
    const parts = artifact.parts ?? [];
    const printed = this.printedParts.get(id) ?? 0;
    if (printed < parts.length || printed === 0) this.printParts(artifact, parts.slice(printed));
    this.printedParts.set(id, parts.length);
  }

  private chunk({ artifact = {}, append }: TaskArtifactUpdateEventJson): void {
    const id = artifact.artifactId ?? '';
    const parts = artifact.parts ?? [];
    const printed = this.printedParts.get(id);
    if (!append && printed !== undefined) {
      this.printBlock(`--- ${titleOf(artifact, false)} starts over ---`);
      this.current = id;
    }
    this.printParts(artifact, parts);
    this.printedParts.set(id, (append ? (printed ?? 0) : 0) + parts.length);
  }

  private printParts(artifact: ArtifactJson, parts: readonly PartJson[]): void {
    const id = artifact.artifactId ?? '';
    if (this.current !== id) this.printBlock(`--- ${titleOf(artifact, !this.printedParts.has(id))} ---`);
    for (const part of parts) {
      if (part.text !== undefined) this.terminal.write(part.text);
      else this.terminal.line(textOf([part]));
    }
    this.current = id;
  }

  /** Lines of their own, which end the run of an artifact's chunks. */
  private printBlock(text: string): void {
    this.current = undefined;
    this.terminal.line(text);
  }
}

/** The parts as text for people: texts as they are, data as JSON, files by name, type and size, URLs. */
export function textOf(parts: readonly PartJson[] = []): string {
  return parts.map(partText).join('\n');
}

function partText({ text, data, raw, url, filename, mediaType }: PartJson): string {
  if (text !== undefined) return text;
  if (data !== undefined) return JSON.stringify(data, undefined, 2);
  const about = [filename, mediaType, raw === undefined ? url : bytesOf(raw)];
  return `[file ${about.filter(Boolean).join(', ')}]`;
}

function bytesOf(base64: string): string {
  return `${Buffer.byteLength(base64, 'base64')} bytes`;
}

function titleOf({ name, artifactId, description }: ArtifactJson, isFirst: boolean): string {
  const title = name ?? `artifact ${artifactId ?? ''}`.trim();
  return description && isFirst ? `${title}: ${description}` : title;
}
