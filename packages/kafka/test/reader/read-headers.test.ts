import { type RecordColumns, readHeaders } from "@reprise/engine";
import { expect, test } from "vitest";
import { PartitionReader } from "../../src/reader/internal/partition-reader.ts";
import { encodeBatch, type MadeRecord } from "./encode-batch.ts";

function columnsOf(records: readonly MadeRecord[]): RecordColumns {
  const reader = new PartitionReader("t", 0, 0, 1_000_000);
  const nothing = {
    topicId: "",
    partition: 0,
    errorCode: 0,
    highWatermark: 9,
    lastStableOffset: 9,
    logStartOffset: 0,
    aborted: [],
    divergingEndOffset: undefined,
  };
  reader.accept({ ...nothing, records: encodeBatch({ baseOffset: 0, records }) });
  return reader.take() as RecordColumns;
}

test("headers are read by name, as UTF-8", () => {
  const columns = columnsOf([
    { value: "x" },
    {
      value: "y",
      headers: [
        ["task", "7"],
        ["größe", "λ".repeat(100)],
        ["empty", ""],
        ["null", null],
      ],
    },
  ]);
  expect(readHeaders(columns, 0)).toEqual({});
  expect({ ...readHeaders(columns, 1) }).toEqual({ task: "7", größe: "λ".repeat(100), empty: "", null: "" });
});

test("of several headers with one name the last one counts", () => {
  expect(
    readHeaders(
      columnsOf([
        {
          headers: [
            ["a", "1"],
            ["b", "2"],
            ["a", "3"],
          ],
        },
      ]),
      0,
    ),
  ).toMatchObject({ a: "3", b: "2" });
});

test("a header may have the name of an object's own machinery", () => {
  const headers = readHeaders(
    columnsOf([
      {
        headers: [
          ["__proto__", "1"],
          ["constructor", "2"],
        ],
      },
    ]),
    0,
  );
  expect(Object.entries(headers)).toEqual([
    ["__proto__", "1"],
    ["constructor", "2"],
  ]);
  expect(readHeaders(columnsOf([{}]), 0)["constructor"]).toBeUndefined();
});

test("records that are not there, and headers that are cut off, are refused", () => {
  const columns = columnsOf([{ headers: [["name", "value"]] }]);
  expect(() => readHeaders(columns, 1)).toThrow(/There is no record 1/);
  expect(() => readHeaders(columns, -1)).toThrow(RangeError);
  expect(() => readHeaders({ ...columns, bytes: columns.bytes.subarray(0, columns.bytes.length - 3) }, 0)).toThrow(/cut off/);
});
