import { jsonOf, RepriseError } from "@reprise/schema";
import type { Range, WindowBounds } from "@reprise/processor";
import type { ReadOptions, Row } from "../views.ts";
import type { Gateway } from "./gateway.ts";

/** Answers that come in pages carry a cursor for the next one; without it, it was the last. */
interface Page {
  readonly cursor?: string;
}

/**
 * All reads of all kinds of views under one name: the client has only the types of a declaration, so the gateway is the one to
 * say that a view is of another kind.
 */
export function remoteView(gateway: Gateway, view: string): object {
  return Object.freeze({
    get(key: unknown, ...rest: readonly unknown[]): Promise<Row<unknown> | undefined> {
      const [entry, o] = isMapGet(rest) ? [jsonOf(rest[0]), rest[1]] : [undefined, rest[0]];
      return gateway.read(view, key, { entry }, o as ReadOptions | undefined) as Promise<Row<unknown> | undefined>;
    },

    current(key: unknown, o?: ReadOptions): Promise<Row<unknown> | undefined> {
      return gateway.read(view, key, { current: 1 }, o) as Promise<Row<unknown> | undefined>;
    },

    async *entries(key: unknown, { from, to, prefix, limit, reverse }: Range<unknown> = {}): AsyncIterable<readonly [unknown, unknown]> {
      const query = {
        entries: 1,
        from: from === undefined ? undefined : jsonOf(from),
        to: to === undefined ? undefined : jsonOf(to),
        prefix,
        reverse: reverse === true ? 1 : undefined,
      };
      let left = limit ?? Number.POSITIVE_INFINITY;
      let cursor: string | undefined;
      do {
        const page = (await gateway.read(view, key, { ...query, limit: limit === undefined ? undefined : left, cursor })) as
          | (Page & { readonly entries: readonly (readonly [unknown, unknown])[] })
          | undefined;
        for (const entry of page?.entries ?? []) {
          if (left-- <= 0) return;
          yield entry;
        }
        cursor = page?.cursor;
      } while (cursor !== undefined && left > 0);
    },

    async *between(key: unknown, from: number, to: number): AsyncIterable<Row<unknown> & WindowBounds> {
      let cursor: string | undefined;
      do {
        const page = (await gateway.read(view, key, { from, to, cursor })) as
          | (Page & { readonly rows: readonly (Row<unknown> & WindowBounds)[] })
          | undefined;
        yield* page?.rows ?? [];
        cursor = page?.cursor;
      } while (cursor !== undefined);
    },

    find(): never {
      throw new RepriseError("NOT_SUPPORTED", `view ${view}: find() by an index can't be answered yet; read by key with get()`, {
        details: { view },
      });
    },
  });
}

/** `get(key, entry, options?)` of a map against `get(key, options?)` of a value: options are an object with only their own names. */
function isMapGet(rest: readonly unknown[]): boolean {
  if (rest.length === 0) return false;
  if (rest.length > 1) return rest[0] !== undefined;
  const only = rest[0];
  if (only === undefined) return false;
  return typeof only !== "object" || only === null || Object.keys(only).some((name) => name !== "atLeast" && name !== "timeout");
}
