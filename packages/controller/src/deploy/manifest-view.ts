import { clockTopicOf } from "@reprise/engine";
import { RepriseError } from "@reprise/schema";
import type { KeyShape } from "../gateway/key-bytes.ts";

/** The part of a manifest that the controller acts on. It never loads processor code. */
export interface ManifestView {
  readonly name: string;
  readonly version: number;
  readonly key: KeyShape;
  /** Topics that tasks read partition by partition under the keys that they have: inputs, then tables. */
  readonly inputs: readonly string[];
  /** Inputs that get their key first. */
  readonly routes: readonly RouteView[];
  /** All inputs are rekeyed: the first internal topic leads. Otherwise the first of `inputs` does. */
  readonly routesLead: boolean;
  /** Tables of which every task reads everything. */
  readonly broadcasts: readonly string[];
  /** The processor's own input of ticks; undefined: it has none. */
  readonly clock?: ClockView;
  readonly outputs: readonly OutputView[];
  /** States and windows that can be read from outside. */
  readonly views: readonly string[];
  /** Undefined: the processor takes no parameters. */
  readonly params?: { readonly avro: unknown };
  /** As it was sent. */
  readonly whole: { readonly [field: string]: unknown };
}

export interface RouteView {
  /** `<source>-by-<key>`. */
  readonly name: string;
  readonly source: string;
  /** What decides where its records go, and as what: equal for routes that write the same. */
  readonly rule: string;
}

export interface OutputView {
  readonly topic: string;
  readonly kind: "topic" | "table" | "events";
}

export interface ClockView {
  readonly topic: string;
  readonly intervalMs: number;
}

const processorName = /^[a-z0-9][a-z0-9._-]{0,62}$/;
const readableFormat = 1;

type Json = { readonly [field: string]: unknown };

/** @throws RepriseError INVALID_NAME, INVALID_DECLARATION naming the field of the manifest */
export function viewManifest(value: unknown): ManifestView {
  const manifest = objectAt(value, "manifest");
  if (manifest.format !== readableFormat) {
    throw new RepriseError(
      "INVALID_DECLARATION",
      `The manifest has format ${JSON.stringify(manifest.format)}; this release reads format ${readableFormat}.`,
      { details: { field: "format" } },
    );
  }
  const { name, version } = manifest;
  if (typeof name !== "string" || !processorName.test(name)) {
    throw new RepriseError(
      "INVALID_NAME",
      `The processor name ${JSON.stringify(name)} is not allowed; expected [a-z0-9][a-z0-9._-]{0,62}.`,
      { details: { name: String(name) } },
    );
  }
  if (!Number.isSafeInteger(version) || (version as number) < 1) {
    throw new RepriseError(
      "INVALID_DECLARATION",
      `The version of '${name}' must be a positive whole number, not ${JSON.stringify(version)}.`,
      { details: { processor: name } },
    );
  }
  const declared = listAt(manifest.inputs, "manifest.inputs");
  const routes = declared.flatMap((input, index) => routeAt(input, `manifest.inputs[${index}]`) ?? []);
  const inputs = declared.flatMap((input, index) =>
    routeAt(input, "") === undefined ? [topicAt(input, `manifest.inputs[${index}]`).topic] : [],
  );
  if (declared.length === 0)
    throw new RepriseError("INVALID_DECLARATION", `Processor '${name}' has no inputs.`, { details: { processor: name } });
  const tables = listAt(manifest.tables, "manifest.tables").map((table, index) => ({
    ...topicAt(table, `manifest.tables[${index}]`),
    broadcast: (table as { readonly broadcast?: unknown }).broadcast !== null,
  }));
  const outputs = listAt(manifest.outputs, "manifest.outputs").map((output, index) => topicAt(output, `manifest.outputs[${index}]`));
  const key = objectAt(objectAt(manifest.key, "manifest.key").schema, "manifest.key.schema");
  const stored = { ...objectAt(manifest.state, "manifest.state"), ...objectAt(manifest.windows, "manifest.windows") };
  return {
    name,
    version: version as number,
    key: { format: String(key.format), kind: String(key.kind) },
    inputs: [...new Set([...inputs, ...tables.filter(({ broadcast }) => !broadcast).map(({ topic }) => topic)])],
    routes,
    routesLead: inputs.length === 0,
    broadcasts: [...new Set(tables.filter(({ broadcast }) => broadcast).map(({ topic }) => topic))],
    ...clockOf(name, manifest.clockMs),
    outputs,
    views: Object.entries(stored).flatMap(([alias, spec]) => (isView(spec) ? [alias] : [])),
    ...(manifest.params === null || manifest.params === undefined
      ? {}
      : { params: { avro: objectAt(manifest.params, "manifest.params").avro } }),
    whole: manifest,
  };
}

/** Manifests from before there were clocks say nothing of them. */
function clockOf(processor: string, intervalMs: unknown): { readonly clock?: ClockView } {
  if (intervalMs === null || intervalMs === undefined) return {};
  if (typeof intervalMs !== "number" || !(intervalMs > 0)) {
    throw new RepriseError("INVALID_DECLARATION", `manifest.clockMs of '${processor}' must be a positive number or null.`, {
      details: { field: "manifest.clockMs" },
    });
  }
  return { clock: { topic: clockTopicOf(processor, intervalMs), intervalMs } };
}

function isView(spec: unknown): boolean {
  const view = (spec as { readonly view?: unknown } | null)?.view;
  return view !== undefined && view !== null && view !== false;
}

function topicAt(value: unknown, where: string): OutputView {
  const { topic, kind } = objectAt(value, where);
  if (typeof topic !== "string" || topic === "")
    throw new RepriseError("INVALID_DECLARATION", `${where} names no topic.`, { details: { field: where } });
  return { topic, kind: kind === "table" || kind === "events" ? kind : "topic" };
}

/** Undefined: it is read under the key that it has. */
function routeAt(value: unknown, where: string): RouteView | undefined {
  const { kind, key, rekeyedBy, value: schema, events, by } = objectAt(value, where);
  if (kind !== "rekey") return undefined;
  const { topic: source } = topicAt(value, where);
  const rule = JSON.stringify([key, rekeyedBy, schema, events, by]);
  return { name: `${source}-by-${String(objectAt(key, `${where}.key`).name)}`, source, rule };
}

function listAt(value: unknown, where: string): readonly unknown[] {
  if (Array.isArray(value)) return value;
  throw new RepriseError("INVALID_DECLARATION", `${where} is missing or no list: is this the manifest of a processor?`, {
    details: { field: where },
  });
}

function objectAt(value: unknown, where: string): Json {
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return value as Json;
  throw new RepriseError("INVALID_DECLARATION", `${where} is missing or no object: is this the manifest of a processor?`, {
    details: { field: where },
  });
}
