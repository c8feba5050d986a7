import { json, s } from "@reprise/schema";
import { key, processor, state, topic } from "@reprise/processor";
import { inputOf, type Names } from "./names.ts";

const order = key("order", s.string);
const Step = s.record("Step", { seq: s.int });
const Trail = s.record("Trail", { trail: s.string });

/** Two inputs whose order shows in every output: each one carries a hash over all that came before it. */
export default (names: Names) =>
  processor({
    name: names.processor,
    version: names.version,
    key: order,
    inputs: {
      orders: topic(inputOf(names, 0), { key: order, value: json(Step) }),
      payments: topic(inputOf(names, 1), { key: order, value: json(Step) }),
    },
    outputs: { trails: topic(names.output, { key: order, value: json(Trail) }) },
    state: { hash: state.value(s.string, { initial: "" }) },
  }).handle({
    on: {
      orders({ seq }, ctx) {
        const hash = mix(`${ctx.state.hash.get()} o${seq}`);
        ctx.state.hash.set(hash);
        ctx.out.trails.emit({ trail: `o${seq} ${hash}` });
      },
      payments({ seq }, ctx) {
        const hash = mix(`${ctx.state.hash.get()} p${seq}`);
        ctx.state.hash.set(hash);
        ctx.out.trails.emit({ trail: `p${seq} ${hash}` });
      },
    },
  });

/** FNV-1a. */
function mix(text: string): string {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193) >>> 0;
  return hash.toString(16);
}
