import {
  type CommitRecord,
  type ControlEvent,
  type ControlState,
  type DeploymentSpec,
  emptyControlState,
  foldControl,
} from "@reprise/engine";
import { artifactOf, manifestOf } from "./manifest.ts";

/** A spec with one input of some partitions. */
export function specOf(
  processor: string,
  version: number,
  options: {
    readonly ordinal?: number;
    readonly partitions?: number;
    readonly inputs?: readonly string[];
    readonly outputs?: readonly string[];
  } = {},
): DeploymentSpec {
  const inputs = options.inputs ?? ["in"];
  return {
    id: `${processor}.v${version}.${options.ordinal ?? 1}`,
    processor,
    version,
    artifact: artifactOf(String(version)),
    manifest: manifestOf(processor, version, { inputs, outputs: options.outputs ?? [] }),
    params: {},
    inputs: inputs.map((topic) => ({ topic, topicId: `id-of-${topic}`, partitions: options.partitions ?? 2 })),
    workers: 1,
    maxSlots: 2,
    start: "earliest",
    commitIntervalMs: 100,
  };
}

/** The fold of some events, a second apart. */
export function stateAfter(...events: readonly ControlEvent[]): ControlState {
  return events.reduce(
    (state, event, index) => foldControl(state, { format: 1, idempotencyKey: `k${index}`, atMs: index * 1000, by: "test", event }, index),
    emptyControlState,
  );
}

export const created = (deployment: DeploymentSpec, publishes: boolean): ControlEvent => ({
  type: "DeploymentCreated",
  deployment,
  publishes,
});

export const became = (
  deployment: string,
  state: Extract<ControlEvent, { type: "DeploymentStateChanged" }>["state"],
  reason?: string,
): ControlEvent => ({
  type: "DeploymentStateChanged",
  deployment,
  state,
  ...(reason === undefined ? {} : { reason }),
});

export const intended = (from: string, to: string, cutover = "c1"): ControlEvent => ({
  type: "CutoverIntended",
  cutover,
  kind: "cutover",
  processor: "p",
  from,
  to,
  forced: [],
});
export const cut = (from: string, to: string, at: { readonly [topic: string]: readonly number[] }, cutover = "c1"): ControlEvent => ({
  type: "CutDecided",
  cutover,
  processor: "p",
  from,
  to,
  at,
});
export const completed = (from: string, to: string, cutover = "c1"): ControlEvent => ({
  type: "CutoverCompleted",
  cutover,
  processor: "p",
  from,
  to,
});

export function commitAt(position: { readonly [topic: string]: number }, mode: "live" | "building" = "live"): CommitRecord {
  return {
    format: 1,
    n: 1,
    mode,
    position,
    digest: "0".repeat(32),
    outputs: "0".repeat(32),
    streamTimeMs: null,
    publishing: false,
    topicIds: {},
    artifact: "",
    control: 0,
  };
}
