import type { AnyKey } from "../key.ts";
import type { Broadcast } from "../topics/broadcast.ts";
import type { Events } from "../topics/events.ts";
import type { Table } from "../topics/table.ts";
import type { Topic } from "../topics/topic.ts";

/** The types of a declaration, all that handlers, clients and tests are typed from. */
export interface Shape {
  key: AnyKey;
  inputs: object;
  tables: object;
  outputs: object;
  state: object;
  windows: object;
  timers: object;
  params: unknown;
  metrics: object;
}

// The values are invariant, so no other constraint than `any` admits every topic of a key.
// oxlint-disable typescript/no-explicit-any -- see above
export type Inputs<K extends AnyKey> = { readonly [alias: string]: Topic<K, any> | Table<K, any> | Events<K, any> };
export type Outputs = { readonly [alias: string]: Topic<AnyKey, any> | Table<AnyKey, any> | Events<AnyKey, any> };
export type Tables<K extends AnyKey> = { readonly [alias: string]: Table<K, any> | Broadcast<AnyKey, any> };
// oxlint-enable typescript/no-explicit-any
