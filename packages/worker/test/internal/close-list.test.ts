import { expect, test } from "vitest";
import { CloseList } from "../../src/internal/close-list.ts";

test("everything is closed once, the last opened first, whatever fails", async () => {
  const list = new CloseList();
  const closed: string[] = [];
  list.add(() => closed.push("admin"));
  list.add(async () => {
    closed.push("reader");
    throw new Error("a connection failed");
  });
  list.add(() => {
    closed.push("server");
    throw new Error("not listening");
  });
  expect(await list.close()).toMatchObject([{ message: "not listening" }, { message: "a connection failed" }]);
  expect(closed).toEqual(["server", "reader", "admin"]);
  expect(await list.close()).toEqual([]);
});
