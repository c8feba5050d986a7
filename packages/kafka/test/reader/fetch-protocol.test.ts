import { Reader, Writer } from "@platformatic/kafka";
import { expect, test } from "vitest";
import { crc32c } from "../../src/reader/internal/crc32c.ts";
import { writeFetchRequest } from "../../src/reader/internal/fetch-request.ts";
import { parseFetchResponse } from "../../src/reader/internal/fetch-response.ts";
import { slowCrc32c } from "./encode-batch.ts";

const topicId = "00010203-0405-0607-0809-0a0b0c0d0e0f";

interface Tag {
  readonly tag: number;
  readonly bytes: Buffer;
}

function tagged(tags: readonly Tag[]): Buffer {
  const parts: Buffer[] = [Buffer.from([tags.length])];
  for (const { tag, bytes } of tags) parts.push(Buffer.from([tag, bytes.length]), bytes);
  return Buffer.concat(parts);
}

function int64(value: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigInt64BE(BigInt(value));
  return bytes;
}

function response(partitionTags: readonly Tag[], records: Buffer): Buffer {
  const w = Writer.create();
  w.appendInt32(0).appendInt16(0).appendInt32(0).appendUnsignedVarInt(2).appendUUID(topicId).appendUnsignedVarInt(3);
  for (const partition of [4, 5]) {
    w.appendInt32(partition)
      .appendInt16(partition === 5 ? 6 : 0)
      .appendInt64(90n)
      .appendInt64(80n)
      .appendInt64(10n);
    w.appendUnsignedVarInt(2)
      .appendInt64(7n)
      .appendInt64(33n)
      .append(tagged([{ tag: 9, bytes: Buffer.alloc(3) }]))
      .appendInt32(-1);
    w.appendUnsignedVarInt(records.length + 1)
      .append(records)
      .append(tagged(partitionTags));
  }
  return Buffer.concat([w.buffer, tagged([]), tagged([{ tag: 0, bytes: Buffer.alloc(20) }])]);
}

test("a Fetch response is read past tagged fields, known and unknown, and its records are left as they are", () => {
  // KIP-595's diverging epoch (tag 0), the current leader of a NOT_LEADER answer (tag 1), and one of a later version.
  const diverging = Buffer.concat([Buffer.from([0, 0, 0, 3]), int64(77), Buffer.from([0])]);
  const tags = [
    { tag: 0, bytes: diverging },
    { tag: 1, bytes: Buffer.alloc(9) },
    { tag: 30, bytes: Buffer.alloc(100) },
  ];
  const records = Buffer.from("not looked into");
  const parsed = parseFetchResponse(0, 1, 17, Reader.from(response(tags, records)));
  const common = {
    topicId,
    highWatermark: 90,
    lastStableOffset: 80,
    logStartOffset: 10,
    aborted: [{ producerId: 7, firstOffset: 33 }],
    divergingEndOffset: 77,
    records,
  };
  expect(parsed).toEqual({
    errorCode: 0,
    partitions: [
      { ...common, partition: 4, errorCode: 0 },
      { ...common, partition: 5, errorCode: 6 },
    ],
  });
});

test("a Fetch response whose records are null has none", () => {
  const bytes = response([], Buffer.alloc(0));
  expect(parseFetchResponse(0, 1, 17, Reader.from(bytes)).partitions.map((partition) => partition.records.length)).toEqual([0, 0]);
});

test("a Fetch request names the replica up to version 14, and leaves it out from 15 on", () => {
  const request = {
    maxWaitMs: 100,
    maxBytes: 1_000,
    topics: [{ topicId, partitions: [{ partition: 4, leaderEpoch: 2, offset: 2 ** 40, lastEpoch: 1, maxBytes: 500 }] }],
  };
  const [v14, v17] = [writeFetchRequest(request, 14).buffer, writeFetchRequest(request, 17).buffer];
  expect(v14.subarray(0, 4)).toEqual(Buffer.from([255, 255, 255, 255]));
  expect(v14.subarray(4)).toEqual(v17);
  expect(v17.readInt32BE(0)).toBe(100);
  expect(v17.readInt8(12)).toBe(1);
  expect(v17.includes(int64(2 ** 40))).toBe(true);
});

test("the checksum is CRC-32C", () => {
  expect(crc32c(Buffer.from("123456789"))).toBe(0xe3069283);
  const bytes = Buffer.from(Array.from({ length: 5_000 }, (_, i) => (i * i) & 255));
  for (const [start, end] of [
    [0, 5_000],
    [1, 4_999],
    [3, 3],
    [7, 8],
  ] as const)
    expect(crc32c(bytes.subarray(start, end))).toBe(slowCrc32c(bytes.subarray(start, end)));
});
