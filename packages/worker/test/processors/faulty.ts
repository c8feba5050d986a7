import { json, s } from "@reprise/schema";
import { key, processor, state, topic } from "@reprise/processor";
import { inputOf, type Names } from "./names.ts";

const name = key("name", s.string);
const Command = s.record("Command", { seq: s.int, fault: s.string });
const Done = s.record("Done", { seq: s.int, count: s.int });

/** Does what its records say, faults included; each one first changes the state and emits, so that a fault has something to undo. */
export default (names: Names) =>
  processor({
    name: names.processor,
    version: names.version,
    key: name,
    inputs: { commands: topic(inputOf(names, 0), { key: name, value: json(Command) }) },
    outputs: { done: topic(names.output, { key: name, value: json(Done) }) },
    state: { count: state.value(s.int, { initial: 0, view: true }) },
    onError: { decode: names.policy ?? "fail", handler: names.policy ?? "fail" },
  }).handle({
    on: {
      commands({ seq, fault }, ctx) {
        const count = ctx.state.count.get() + 1;
        ctx.state.count.set(count);
        ctx.out.done.emit({ seq, count });
        if (fault === "throw") throw new Error(`no ${seq}, please`);
        if (fault === "reject") ctx.reject(`${seq} is not wanted`);
        if (fault === "output") ctx.out.done.emit({ seq: 1.5, count });
        // As plain JavaScript may do unseen by any compiler.
        if (fault === "promise") return Promise.resolve() as unknown as void;
      },
    },
  });
