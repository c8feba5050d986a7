import { effect, json, key, processor, protobuf, registry, rekey, s, state, topic, windows } from "reprise";

const user = key("user", s.string);
const product = key("product", s.string);
const Click = s.record("Click", { page: s.string, cents: s.long });
const clicks = topic("clicks", { key: user, value: json(Click) });
const about = { name: "unsupported", version: 2, key: user } as const;
// None of these ever runs.
const on = { clicks: () => undefined };
const onWindow = { w: () => undefined };

/** What the surface declares and this release can't run: what the refusal must name, and a processor that is only that. */
export const unsupported: readonly { readonly named: string; readonly make: () => object }[] = [
  {
    named: "input clicks: rekey() of a topic with a watermark function",
    make: () =>
      processor({
        ...about,
        key: product,
        inputs: {
          clicks: rekey(topic("clicks", { key: user, value: json(Click), watermark: () => null }), {
            key: product,
            by: ({ page }) => page,
          }),
        },
      }).handle({ on }),
  },
  {
    named: 'input clicks: partitioner "crc32"',
    make: () =>
      processor({ ...about, inputs: { clicks: topic("clicks", { key: user, value: json(Click), partitioner: "crc32" }) } }).handle({ on }),
  },
  {
    named: "state.last: view index",
    make: () =>
      processor({ ...about, inputs: { clicks }, state: { last: state.value(Click, { view: { index: ["page"] } }) } }).handle({ on }),
  },
  {
    named: "windows.w: items of windows.session() with max",
    make: () =>
      processor({
        ...about,
        inputs: { clicks },
        windows: { w: windows.session({ gap: "1h", max: "1d", items: s.string, aggregate: {} }) },
      }).handle({
        on,
        onWindow,
      } as never),
  },
  {
    named: "input clicks: registry()",
    make: () => processor({ ...about, inputs: { clicks: topic("clicks", { key: user, value: registry(Click) }) } }).handle({ on }),
  },
  {
    named: "windows.w: left: registry()",
    make: () =>
      processor({
        ...about,
        inputs: { clicks },
        windows: { w: windows.join({ left: registry(Click), right: Click, within: "1h" }) },
      }).handle({ on, onWindow }),
  },
  {
    named: "output out: protobuf()",
    make: () =>
      processor({
        ...about,
        inputs: { clicks },
        outputs: { out: topic("out", { key: user, value: protobuf({ $typeName: "a.Click", message: { page: "" } }) }) },
      }).handle({ on }),
  },
  {
    named: "effect reply",
    make: () => effect({ name: "reply", input: clicks, run: async () => undefined }),
  },
];
