export { type Duration, parseDuration } from "@reprise/schema";
export { type Config, configOf, defineConfig, type KafkaConfig, type SaslConfig } from "./config/define-config.ts";
export { env } from "./config/env.ts";
export { effect, type EffectContext, type EffectDefinition, effectDefinitionOf, type EffectOptions } from "./effect/effect.ts";
export { type AnyKey, type Key, key, type KeyOf } from "./key.ts";
export { type Counter, counter, type CounterDefinition, type CounterState } from "./metrics/counter.ts";
export type { Context, OutputMeta, OutputOf, OutputOptions, RecordContext, RecordInfo, TableOf } from "./processor/context.ts";
export type { Declaration, Metrics, States, Timers, Windows } from "./processor/declaration.ts";
export type { Emitting, Handlers, HandlingLate, Need, OnInput, ResultIn, Sync } from "./processor/handlers.ts";
export { ignore } from "./processor/ignore.ts";
export type { InputManifest, KeyManifest, Manifest, PartManifest, TableManifest, TopicManifest } from "./processor/manifest.ts";
export { migrate, type Migration, type MigrationDefinition, type StoredIn } from "./processor/migrate.ts";
export {
  type ContextOf,
  type Declared,
  type HandlersOf,
  type Processor,
  processor,
  type RecordContextOf,
  type shapeType,
} from "./processor/processor.ts";
export {
  abi,
  definitionOf,
  type HandlersDefinition,
  type InputDefinition,
  type OnError,
  type OnErrorDefinition,
  type Order,
  type OutputDefinition,
  type ProcessorDefinition,
  type RecordHandler,
  type ReferenceTableDefinition,
} from "./processor/processor-definition.ts";
export type { Inputs, Outputs, Shape, Tables } from "./processor/shape.ts";
export type { AnyState, AnyWindow, HandleOf, handleType, Spec, ValueViewOf, ViewKind, ViewOption } from "./spec.ts";
export { state, type StateBuilder, type StateOptions } from "./state/state.ts";
export type { ListStateDefinition, MapStateDefinition, StateDefinition, ValueStateDefinition } from "./state/state-definition.ts";
export type { Draft, ListState, MapState, Range, ValueState } from "./state/state-handles.ts";
export type { Emitted, SenderOf, TableSetter, TestDriver, TestOptions, Time, WindowsOf } from "./test-driver.ts";
export { timer, type TimerDefinition, type TimerSpec, type TimerState } from "./timers/timer.ts";
export { type AsOf, type Broadcast, broadcast, type BroadcastDefinition } from "./topics/broadcast.ts";
export { type AnyEvent, type EventDiscriminator, type Events, events, type EventsDefinition } from "./topics/events.ts";
export { rekey, type RekeyDefinition } from "./topics/rekey.ts";
export { type Table, table, type TableDefinition } from "./topics/table.ts";
export { type Topic, topic, type TopicDefinition } from "./topics/topic.ts";
export type { Partitioner, TimedInput, TopicOptions } from "./topics/topic-options.ts";
export type { Aggregate, Aggregates, Input, InOf, OutOf, Result, Statistic } from "./windows/aggregate.ts";
export type {
  AggregateDefinition,
  CustomAggregateDefinition,
  DistinctDefinition,
  FirstDefinition,
  FoldDefinition,
  LastDefinition,
  TopDefinition,
} from "./windows/aggregate-definition.ts";
export { distinct, first, fold, last, top } from "./windows/aggregates.ts";
export type {
  CalendarDefinition,
  GlobalDefinition,
  HoppingDefinition,
  JoinDefinition,
  RollingDefinition,
  SessionDefinition,
  TumblingDefinition,
  WindowDefinition,
} from "./windows/window-definition.ts";
export type { ItemWindowState, JoinState, WindowBounds, WindowInfo, WindowRead, WindowState } from "./windows/window-handles.ts";
export type { Emit, JoinSpec, Late, Unmatched, WindowOptions, WindowSpec } from "./windows/window-spec.ts";
export { type GlobalOptions, type JoinOptions, type WindowMaker, windows, type WindowsBuilder } from "./windows/windows.ts";
