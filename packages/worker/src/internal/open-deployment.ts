import {
  type CompiledProcessor,
  ControlLogTail,
  compileProcessor,
  type DeploymentSpec,
  type LogReader,
  routeTopicOf,
  type TopicOffsets,
} from "@reprise/engine";
import { type Admin, createAdmin, createColumnarReader, type KafkaConnectionOptions } from "@reprise/kafka";
import { RepriseError } from "@reprise/schema";
import { checkInputs } from "../check-inputs.ts";
import { loadArtifact } from "../load-artifact.ts";
import type { CloseList } from "./close-list.ts";
import { topicOffsets } from "./topic-offsets.ts";

export interface OpenDeploymentOptions extends KafkaConnectionOptions {
  readonly deployment: string;
  readonly artifactFolder: string;
  readonly reachableTimeoutMs?: number;
  /** Of the reader of Reprise's own topics. */
  readonly clientId: string;
}

/** A deployment as the control log and its artifact say it is, with what reads of it. */
export interface OpenDeployment {
  readonly spec: DeploymentSpec;
  readonly processor: CompiledProcessor;
  readonly admin: Admin;
  readonly offsets: TopicOffsets;
  readonly systemReader: LogReader;
  readonly control: ControlLogTail;
}

/**
 * Reads the control log, loads the artifact and checks the inputs. What is opened is in `opened`, also when it fails.
 * @throws RepriseError BROKER_UNREACHABLE · DEPLOYMENT_UNKNOWN · CONTROL_LOST · INVALID_ARGUMENT · VERSION_FROZEN · TOPIC_MISSING · TOPIC_RECREATED · PARTITIONS_CHANGED
 */
export async function openDeployment(options: OpenDeploymentOptions, opened: CloseList): Promise<OpenDeployment> {
  const admin = createAdmin(options);
  opened.add(() => admin.close());
  await admin.waitReachable(options.reachableTimeoutMs ?? 30_000);
  const offsets = topicOffsets(admin);
  const systemReader = await createColumnarReader(options);
  opened.add(() => systemReader.close());
  const control = await openControl(systemReader, offsets);
  const entry = control.state.deployments.get(options.deployment);
  if (entry === undefined)
    throw new RepriseError("DEPLOYMENT_UNKNOWN", `there is no deployment ${options.deployment}`, {
      details: { deployment: options.deployment },
    });
  const { spec } = entry;
  const processor = compileProcessor(
    await loadArtifact(options.artifactFolder, spec),
    spec.params,
    (rekey) => spec.routes?.find(({ name }) => name === rekey)?.topic ?? routeTopicOf(spec.id, rekey),
  );
  await checkInputs(spec, offsets);
  return { spec, processor, admin, offsets, systemReader, control };
}

async function openControl(reader: LogReader, offsets: TopicOffsets): Promise<ControlLogTail> {
  const control = new ControlLogTail(reader, offsets);
  try {
    await control.readToEnd();
  } catch (cause) {
    if (RepriseError.is(cause) && cause.code === "TOPIC_MISSING")
      throw new RepriseError("CONTROL_LOST", "the control topic does not exist", { cause });
    throw cause;
  }
  return control;
}
