import { s, schemaRuntime } from "@reprise/schema";
import { describe, expect, test } from "vitest";
import { decodeVersions, encodeVersions, type TableVersions, versionAt, withVersion } from "../../src/table/table-versions.ts";

const schema = schemaRuntime(s.string);
const at = (versions: TableVersions | undefined, t: number): unknown => (versions === undefined ? undefined : versionAt(versions, t));

describe("the versions of a table's row", () => {
  test("hold from their time on, whatever order they come in, and a deletion is a version too", () => {
    let versions: TableVersions | undefined;
    for (const [fromMs, value] of [
      [30, "c"],
      [10, "a"],
      [20, undefined],
      [10, "b"],
    ] as const)
      versions = withVersion(versions, { fromMs, value }, Number.NEGATIVE_INFINITY);
    expect([9, 10, 19, 20, 29, 30, 1e9].map((t) => at(versions, t))).toEqual([undefined, "b", "b", undefined, undefined, "c", "c"]);
  });

  test("answer as if all were kept, for every time that is not below the watermark", () => {
    let seed = 7;
    const draw = (n: number): number => (seed = (Math.imul(seed, 1_103_515_245) + 12_345) >>> 0) % n;
    for (let round = 0; round < 200; round++) {
      const all: { fromMs: number; value: string | undefined }[] = [];
      let versions: TableVersions | undefined;
      let streamTime = 0;
      for (let i = 0; i < 30; i++) {
        streamTime += draw(5);
        const fromMs = streamTime - draw(8);
        const watermark = streamTime - 10;
        const version = { fromMs, value: draw(4) === 0 ? undefined : `v${i}` };
        all.push(version);
        versions = withVersion(versions, version, watermark);
        for (let t = watermark; t <= streamTime + 2; t++) {
          const newest = Math.max(...all.filter((v) => v.fromMs <= t).map((v) => v.fromMs));
          const expected = all.filter((v) => v.fromMs === newest).at(-1)?.value;
          expect(at(versions, t)).toBe(expected);
        }
      }
      expect((versions?.versions ?? []).length).toBeLessThan(20);
    }
  });

  test("below what is forgotten are the oldest that is known, and what comes there later changes nothing", () => {
    let versions: TableVersions | undefined;
    for (const fromMs of [10, 20, 30]) versions = withVersion(versions, { fromMs, value: `from ${fromMs}` }, fromMs);
    expect([0, 15, 29, 30].map((t) => at(versions, t))).toEqual(["from 30", "from 30", "from 30", "from 30"]);
    versions = withVersion(versions, { fromMs: 25, value: "too late" }, 30);
    expect([0, 26, 30].map((t) => at(versions, t))).toEqual(["from 30", "from 30", "from 30"]);
  });

  test("leave nothing behind once a deletion is older than the watermark", () => {
    const one = withVersion(undefined, { fromMs: 10, value: "a" }, 0);
    expect(withVersion(one, { fromMs: 20, value: undefined }, 0)?.versions).toHaveLength(2);
    expect(withVersion(one, { fromMs: 20, value: undefined }, 20)).toBeUndefined();
    // What was before it may still come.
    const deletion = withVersion(undefined, { fromMs: 20, value: undefined }, 0);
    expect(at(withVersion(deletion, { fromMs: 15, value: "a" }, 0), 21)).toBeUndefined();
  });

  test("are stored and read again as they are", () => {
    const rows = [
      { fromMs: -5.5, value: "ä" },
      { fromMs: 3, value: undefined },
      { fromMs: 4, value: "" },
    ];
    for (const forgotten of [true, false]) {
      const versions = { versions: rows, forgotten };
      expect(decodeVersions(encodeVersions(versions, schema), schema)).toEqual(versions);
    }
    expect(() => decodeVersions(Buffer.from([9, 0, 0, 0, 0]), schema)).toThrow("format 9");
  });
});
