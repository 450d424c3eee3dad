import { type JsonObject } from '@bufbuild/protobuf';
import { jsonText, type OlderDialect, type Task, TaskSchema } from '#protocol';
import { type Store, type StoredEvent, type TaskKey } from '#store';
import { type TaskViews } from '#tasks';
import { TaskFolds } from './task-folds.js';

/** The body of a delivery, the same at every attempt: what receivers have verified does not change behind their backs. */
export interface DeliveryBody {
  readonly contentType: string;
  readonly bytes: Uint8Array;
  /** The version it is written in, for A2A-Version; older dialects have no such header. */
  readonly version?: string;
}

/** What a body is written for. */
export interface BodySubject extends TaskKey {
  readonly configUid: string;
  /** Absent for 1.0. */
  readonly dialect?: OlderDialect;
  /** What the client calls the task, where it has a name of its own for it. */
  readonly clientTaskId?: string;
}

/** Writes a task in an older dialect. */
export type WriteTask = (dialect: OlderDialect, task: Task, clientTaskId?: string) => JsonObject;

/** What bodies are made of. */
export interface BodyParts {
  readonly store: Store;
  readonly views: TaskViews;
  readonly writeTask: WriteTask;
  /** A task of more bytes is sent in an older dialect without its artifacts. */
  readonly maxTaskBytes: number;
}

/** Makes the bodies of deliveries: a StreamResponse for 1.0 (specification 4.3.3), and the task for the dialects before. */
export class DeliveryBodies {
  private readonly folds: TaskFolds;

  constructor(private readonly parts: BodyParts) {
    this.folds = new TaskFolds(parts.store, parts.maxTaskBytes);
  }

  /** For 1.0 the event, byte for byte as the log has it; for older dialects the task as that event left it. */
  async of(subject: BodySubject, { sequence, event }: StoredEvent): Promise<DeliveryBody> {
    const { dialect, clientTaskId } = subject;
    if (!dialect) return currentBody(event);
    return this.folds.read({ ...subject, sequence }, (task) => this.olderBody(dialect, task, clientTaskId));
  }

  /** The task as it stands, for a test; undefined where it is gone. */
  async ofTask(subject: BodySubject): Promise<DeliveryBody | undefined> {
    const { dialect, clientTaskId } = subject;
    const view = await this.parts.views.read(subject, 0);
    if (!view) return undefined;
    if (!dialect) return currentBody(`{"task":${jsonText(TaskSchema, view.task)}}`);
    return this.olderBody(dialect, view.task, clientTaskId);
  }

  private olderBody(dialect: OlderDialect, task: Task, clientTaskId: string | undefined): DeliveryBody {
    const text = JSON.stringify(this.parts.writeTask(dialect, task, clientTaskId));
    return { contentType: 'application/json', bytes: Buffer.from(text) };
  }
}

function currentBody(text: string): DeliveryBody {
  return { contentType: 'application/a2a+json', bytes: Buffer.from(text), version: '1.0' };
}
