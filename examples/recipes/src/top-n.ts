// top-n.ts: the three products that earned most in each country and hour.
import { json, key, processor, s, top, topic, windows } from "reprise";

const country = key("country", s.string);
const Sale = s.record("Sale", { at: s.timestamp, product: s.string, cents: s.long });
const Best = s.record("Best", { hour: s.timestamp, products: s.array(s.record("Product", { item: s.string, by: s.double })) });

export default processor({
  name: "best-sellers",
  version: 1,
  key: country,
  inputs: { sales: topic("sales", { key: country, value: json(Sale), time: (sale) => sale.at, outOfOrder: "1m" }) },
  outputs: { best: topic("best-sellers", { key: country, value: json(Best) }) },
  windows: { hour: windows.tumbling({ size: "1h", aggregate: { products: top(3, s.string) } }) },
}).handle({
  on: {
    sales({ product, cents }, ctx) {
      ctx.windows.hour.add({ products: { item: product, by: cents } });
    },
  },
  onWindow: {
    hour({ products }, ctx) {
      ctx.out.best.emit({ hour: ctx.window.start, products: [...products] });
    },
  },
});
