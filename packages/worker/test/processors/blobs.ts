import { json, s } from "@reprise/schema";
import { key, processor, state, topic } from "@reprise/processor";
import { inputOf, type Names } from "./names.ts";

const id = key("id", s.string);
const Blob = s.record("Blob", { seq: s.int, text: s.string });
const Kept = s.record("Kept", { seq: s.int, characters: s.long });

/** Keeps much, to fill a disk. */
export default (names: Names) =>
  processor({
    name: names.processor,
    version: names.version,
    key: id,
    inputs: { blobs: topic(inputOf(names, 0), { key: id, value: json(Blob) }) },
    outputs: { kept: topic(names.output, { key: id, value: json(Kept) }) },
    state: { text: state.value(s.string), characters: state.value(s.long, { initial: 0 }) },
  }).handle({
    on: {
      blobs({ seq, text }, ctx) {
        const characters = ctx.state.characters.get() + text.length;
        ctx.state.text.set(text);
        ctx.state.characters.set(characters);
        ctx.out.kept.emit({ seq, characters });
      },
    },
  });
