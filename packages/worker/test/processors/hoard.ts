import { json, s } from "@reprise/schema";
import { key, processor, state, topic } from "@reprise/processor";
import { inputOf, type Names } from "./names.ts";

const id = key("id", s.string);
const Piece = s.record("Piece", { seq: s.int, text: s.string });
const Kept = s.record("Kept", { seq: s.int, characters: s.long, sum: s.long });

/** One row per key that only grows: far larger than a record may be. What is emitted depends on all of it. */
export default (names: Names) =>
  processor({
    name: names.processor,
    version: names.version,
    key: id,
    inputs: { pieces: topic(inputOf(names, 0), { key: id, value: json(Piece) }) },
    outputs: { kept: topic(names.output, { key: id, value: json(Kept) }) },
    state: { text: state.value(s.string, { initial: "" }) },
  }).handle({
    on: {
      pieces({ seq, text }, ctx) {
        const all = ctx.state.text.get() + text;
        ctx.state.text.set(all);
        let sum = 0;
        for (let i = 0; i < all.length; i++) sum = (sum * 31 + all.charCodeAt(i)) % 2_147_483_647;
        ctx.out.kept.emit({ seq, characters: all.length, sum });
      },
    },
  });
