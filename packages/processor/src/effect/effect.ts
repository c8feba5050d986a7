import { type Duration, parseDuration, RepriseError } from "@reprise/schema";
import { checkName } from "../internal/check-name.ts";
import { checkOneOf, checkOptions, positiveMs, refuseDeclaration } from "../internal/check-options.ts";
import type { AnyKey, KeyOf } from "../key.ts";
import type { Table, TableDefinition } from "../topics/table.ts";
import type { Topic, TopicDefinition } from "../topics/topic.ts";

/** Reads a topic `read_committed` (so: what the serving version published, never a replay's), at least once, with a stable idempotency key. */
export interface EffectContext<K, Sec extends string> {
  readonly key: K;
  /** processor/topic/partition/offset: the same on every retry and restart. */
  readonly idempotencyKey: string;
  readonly attempt: number;
  readonly signal: AbortSignal;
  readonly secrets: { readonly [N in Sec]: string };
}

export interface EffectOptions<K extends AnyKey, V, R, Sec extends string> {
  readonly name: string;
  readonly input: Topic<K, V> | Table<K, V>;
  /** The answer, written to the log once: processors read it as an input, replays never ask again. */
  readonly output?: Topic<K, R>;
  /** Default "latest". */
  readonly from?: "latest" | "earliest";
  /** Calls at a time; of one key one at a time. Default 1. */
  readonly concurrency?: number;
  /** Of one attempt; then `signal` aborts. Default "30s". */
  readonly timeout?: Duration;
  /** Default: 5 attempts, "1s" doubling, then stop. */
  readonly retry?: { readonly attempts: number; readonly backoff: Duration; readonly then: "dead-letter" | "stop" };
  /** Names of environment variables. */
  readonly secrets?: readonly Sec[];
  readonly run: (value: NoInfer<V>, ctx: EffectContext<KeyOf<K>, NoInfer<Sec>>) => Promise<[R] extends [never] ? void : NoInfer<R>>;
}

export interface EffectDefinition {
  readonly abi: 1;
  readonly kind: "effect";
  readonly name: string;
  readonly input: TopicDefinition | TableDefinition;
  readonly output: TopicDefinition | undefined;
  readonly from: "latest" | "earliest";
  readonly concurrency: number;
  readonly timeoutMs: number;
  /** `exhausted`: what happens after the last attempt. */
  readonly retry: { readonly attempts: number; readonly backoffMs: number; readonly exhausted: "dead-letter" | "stop" };
  readonly secrets: readonly string[];
  readonly run: (value: unknown, ctx: EffectContext<unknown, string>) => Promise<unknown>;
}

const effectBrand: unique symbol = Symbol.for("reprise.effect") as never;
const optionNames = ["name", "input", "output", "from", "concurrency", "timeout", "retry", "secrets", "run"] as const;

/**
 * A side effect: the only place that may await.
 * @throws RepriseError INVALID_NAME, INVALID_DECLARATION, INVALID_ARGUMENT
 */
export function effect<const K extends AnyKey, V, R = never, const Sec extends string = never>(
  o: EffectOptions<K, V, R, Sec>,
): { readonly name: string } {
  checkOptions(o, optionNames, "effect");
  checkName(o.name, "effect");
  const what = `effect ${o.name}`;
  if ((o.input as { readonly kind?: string } | undefined)?.kind === "rekey")
    refuseDeclaration(`${what}: input`, "a rekeyed topic is internal to its processor; read the source");
  if (o.input?.kind !== "topic" && o.input?.kind !== "table") refuseDeclaration(`${what}: input`, "expected a topic or table");
  if (o.output !== undefined && o.output.kind !== "topic") refuseDeclaration(`${what}: output`, "expected a topic");
  if (typeof o.run !== "function") refuseDeclaration(`${what}: run`, "expected a function");
  const concurrency = o.concurrency ?? 1;
  if (!Number.isSafeInteger(concurrency) || concurrency < 1)
    refuseDeclaration(`${what}: concurrency`, `expected a positive integer, got ${String(concurrency)}`);
  const definition: EffectDefinition = Object.freeze({
    abi: 1,
    kind: "effect",
    name: o.name,
    input: o.input as unknown as EffectDefinition["input"],
    output: o.output as unknown as EffectDefinition["output"],
    from: checkOneOf(o.from ?? "latest", ["latest", "earliest"], `${what}: from`),
    concurrency,
    timeoutMs: positiveMs(o.timeout ?? "30s", `${what}: timeout`),
    retry: checkRetry(o.retry, what),
    secrets: Object.freeze([...(o.secrets ?? [])]),
    run: o.run as unknown as EffectDefinition["run"],
  });
  return Object.freeze({ name: o.name, [effectBrand]: definition });
}

function checkRetry(given: EffectOptions<AnyKey, never, never, never>["retry"], what: string): EffectDefinition["retry"] {
  if (given === undefined) return Object.freeze({ attempts: 5, backoffMs: 1_000, exhausted: "stop" });
  checkOptions(given, ["attempts", "backoff", "then"], `${what}: retry`);
  if (!Number.isSafeInteger(given.attempts) || given.attempts < 1)
    refuseDeclaration(`${what}: retry.attempts`, `expected a positive integer, got ${String(given.attempts)}`);
  return Object.freeze({
    attempts: given.attempts,
    backoffMs: parseDuration(given.backoff, `${what}: retry.backoff`),
    exhausted: checkOneOf(given.then, ["dead-letter", "stop"], `${what}: retry.then`),
  });
}

/**
 * The definition of an effect, also of one that another copy of this package made.
 * @throws RepriseError INVALID_DECLARATION when it is none
 */
export function effectDefinitionOf(effect: unknown): EffectDefinition {
  const definition =
    typeof effect === "object" && effect !== null ? (effect as { readonly [effectBrand]?: EffectDefinition })[effectBrand] : undefined;
  if (definition === undefined) throw new RepriseError("INVALID_DECLARATION", "expected what effect({...}) returns");
  return definition;
}

/** The name of an effect, also of one that another copy of this package made; undefined for anything else. */
export function effectNameOf(value: unknown): string | undefined {
  return typeof value === "object" && value !== null
    ? (value as { readonly [effectBrand]?: EffectDefinition })[effectBrand]?.name
    : undefined;
}
