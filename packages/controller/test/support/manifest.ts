/** A manifest as `definitionOf(processor).manifest` is, with the parts that the controller looks at. */
export function manifestOf(
  name: string,
  version: number,
  options: {
    readonly inputs: readonly string[];
    /** Sources that get the key first; they come before the other inputs. */
    readonly rekeyed?: readonly string[];
    /** The code that gets it. */
    readonly by?: string;
    readonly outputs?: readonly string[];
    readonly params?: unknown;
    readonly clockMs?: number;
  },
): Record<string, unknown> {
  const text = { format: "primitive", kind: "string", fingerprint: "0", avro: "string" };
  const key = { name: "word", schema: text };
  const topic = (kind: string) => (topicName: string, index: number) => ({
    alias: `${kind}${index}`,
    topic: topicName,
    kind: "topic",
    key,
    partitioner: "murmur2",
    outOfOrderMs: 0,
    hasTime: false,
    value: text,
    events: null,
    by: null,
  });
  return {
    format: 1,
    abi: 1,
    name,
    version,
    key,
    inputs: [
      ...(options.rekeyed ?? []).map((source, index) => ({
        ...topic("rekeyed")(source, index),
        kind: "rekey",
        sourceKey: key,
        rekeyedBy: options.by ?? "v => v",
      })),
      ...options.inputs.map(topic("in")),
    ],
    tables: [],
    outputs: (options.outputs ?? []).map(topic("out")),
    state: {
      totals: { type: "value", ttlMs: null, schema: text, view: { index: [] } },
      hidden: { type: "value", ttlMs: null, schema: text, view: null },
    },
    windows: {},
    timers: {},
    params: options.params ?? null,
    metrics: {},
    order: "log",
    clockMs: options.clockMs ?? null,
    onError: { decode: "fail", handler: "fail", late: "drop" },
    migrations: {},
  };
}

/** A hash as an artifact has one. */
export const artifactOf = (letter: string): string => letter.repeat(64);
