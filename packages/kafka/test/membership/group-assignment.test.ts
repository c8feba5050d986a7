import { expect, test } from "vitest";
import { assignmentOf, unassignedOf } from "../../src/membership/group-assignment.ts";

/** Version 1 of the consumer protocol: two topics, no user data. */
const bytes = Buffer.from(
  ["0001", "00000002", "0001", "61", "00000002", "00000000", "00000003", "0002", "6262", "00000001", "00000007", "ffffffff"].join(""),
  "hex",
);

test("an assignment names its topics and partitions", () => {
  expect(assignmentOf(bytes)).toEqual([
    { topic: "a", partitions: [0, 3] },
    { topic: "bb", partitions: [7] },
  ]);
  expect(assignmentOf(null)).toEqual([]);
  expect(assignmentOf(Buffer.alloc(0))).toEqual([]);
});

test("an assignment that ends too early is refused", () => {
  expect(() => assignmentOf(bytes.subarray(0, 15))).toThrow("ends before its end");
});

test("what no member has is unassigned, whoever has the same numbers of another topic", () => {
  const member = (memberId: string, topic: string, partitions: number[]) => ({
    memberId,
    groupInstanceId: null,
    assigned: [{ topic, partitions }],
  });
  const members = [member("x", "a", [3, 0]), member("y", "other", [1, 2]), { memberId: "z", groupInstanceId: null, assigned: [] }];
  expect(unassignedOf({ state: "Stable", protocol: "cooperative-sticky", members }, "a", 5)).toEqual([1, 2, 4]);
});
