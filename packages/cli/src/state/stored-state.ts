import { openCheckpointStore } from "@reprise/checkpoint";
import {
  type CompiledProcessor,
  ControlLogTail,
  compileProcessor,
  type DeploymentSpec,
  type LogReader,
  parseRowKey,
  routeTopicOf,
  selectionOf,
  shownRow,
  shownRowJson,
  stateAsOf,
  type StateQuery,
  type StateStore,
  type StateTarget,
  type TopicOffsets,
  publishesFromItsStart,
} from "@reprise/engine";
import { type Admin, createAdmin, createColumnarReader } from "@reprise/kafka";
import { RepriseError } from "@reprise/schema";
import { memoryEngine } from "@reprise/state";
import { loadArtifact, topicOffsets } from "@reprise/worker";
import type { StateRow, TaskState } from "./task-state.ts";

export interface StoredStatesOptions {
  readonly bootstrap: string;
  readonly checkpointFolder: string;
  readonly artifactFolder: string;
}

/** States out of checkpoints and deltas: reads Kafka and the checkpoint store, asks nobody. */
export class StoredStates {
  readonly #options: StoredStatesOptions;
  readonly #admin: Admin;
  readonly #reader: LogReader;
  readonly #offsets: TopicOffsets;
  readonly #control: ControlLogTail;
  readonly #processors = new Map<string, CompiledProcessor>();

  private constructor(options: StoredStatesOptions, admin: Admin, reader: LogReader, offsets: TopicOffsets, control: ControlLogTail) {
    this.#options = options;
    this.#admin = admin;
    this.#reader = reader;
    this.#offsets = offsets;
    this.#control = control;
  }

  /** @throws RepriseError BROKER_UNREACHABLE · TOPIC_MISSING */
  static async open(options: StoredStatesOptions): Promise<StoredStates> {
    const { bootstrap } = options;
    const admin = createAdmin({ bootstrap });
    const reader = await createColumnarReader({ bootstrap, clientId: "reprise-state" });
    const offsets = topicOffsets(admin);
    const opened = new StoredStates(options, admin, reader, offsets, new ControlLogTail(reader, offsets));
    try {
      await opened.#control.readToEnd();
      return opened;
    } catch (error) {
      await opened.close();
      throw error;
    }
  }

  async close(): Promise<void> {
    await this.#reader.close();
    await this.#admin.close();
  }

  /** @throws RepriseError DEPLOYMENT_UNKNOWN */
  spec(deployment: string): DeploymentSpec {
    const spec = this.#control.state.deployments.get(deployment)?.spec;
    if (spec === undefined)
      throw new RepriseError("DEPLOYMENT_UNKNOWN", `There is no deployment ${deployment}.`, { details: { deployment } });
    return spec;
  }

  /** The code of a deployment, which knows how its rows are to be read. @throws RepriseError INVALID_ARGUMENT · VERSION_FROZEN */
  async processor(deployment: string): Promise<CompiledProcessor> {
    const known = this.#processors.get(deployment);
    if (known !== undefined) return known;
    const spec = this.spec(deployment);
    const processor = compileProcessor(
      await loadArtifact(this.#options.artifactFolder, spec),
      spec.params,
      (rekey) => spec.routes?.find(({ name }) => name === rekey)?.topic ?? routeTopicOf(spec.id, rekey),
    );
    this.#processors.set(deployment, processor);
    return processor;
  }

  /** @throws RepriseError CHECKPOINT_MISSING · STATE_UNKNOWN · INVALID_ARGUMENT */
  async state(deployment: string, task: number, target: StateTarget, query: StateQuery): Promise<TaskState> {
    const spec = this.spec(deployment);
    const processor = await this.processor(deployment);
    // Before anything is read: what is asked for may not exist.
    selectionOf(processor, query);
    const { store, meta, how } = await stateAsOf(
      {
        spec,
        partition: task,
        publishesFromStart: publishesFromItsStart(this.#control.state, spec),
        checkpoints: openCheckpointStore(this.#options.checkpointFolder),
        reader: this.#reader,
        offsets: this.#offsets,
        engine: memoryEngine(),
        folder: `${deployment}`,
      },
      target,
    );
    return { task, how, n: meta.n, position: meta.position, rows: rowsOf(processor, store, task, query), close: () => store.close() };
  }
}

async function* rowsOf(processor: CompiledProcessor, store: StateStore, task: number, query: StateQuery): AsyncGenerator<StateRow> {
  const { slot, key } = selectionOf(processor, query);
  for await (const chunk of store.scan({ from: Buffer.of(1) })) {
    for (const row of chunk) {
      const parsed = parseRowKey(row.key);
      if ((slot !== undefined && parsed.slot !== slot) || (key !== undefined && !key.equals(parsed.key))) continue;
      yield { ...(JSON.parse(shownRowJson(shownRow(processor, row))) as StateRow), task };
    }
  }
}
