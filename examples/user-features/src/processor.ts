// What each user did in the last five minutes: features that a model reads over HTTP at the moment it needs them.
import { distinct, events, json, key, processor, s, windows } from "reprise";

const user = key("user", s.string);

const Product = s.record("Product", { at: s.timestamp, product: s.string });
const Purchase = s.record("Purchase", { at: s.timestamp, product: s.string, amount: s.double });

export const activity = events("activity", {
  key: user,
  by: { field: "type" },
  of: { Click: json(Product), View: json(Product), Purchase: json(Purchase) },
  time: (event) => event.data.at,
  outOfOrder: "10s",
});

export default processor({
  name: "user-features",
  version: 1,
  key: user,
  // What a user did is forgotten five minutes later, also when nobody does anything any more.
  clock: "10s",
  inputs: { activity },
  windows: {
    features: windows.rolling({
      size: "5m",
      step: "10s",
      emit: "none",
      view: true,
      aggregate: { clicks: "sum", views: "sum", amount: "sum", products: distinct(s.string) },
    }),
  },
}).handle({
  on: {
    activity: {
      Click: ({ product }, ctx) => ctx.windows.features.add({ clicks: 1, views: 0, amount: 0, products: product }),
      View: ({ product }, ctx) => ctx.windows.features.add({ clicks: 0, views: 1, amount: 0, products: product }),
      Purchase: ({ product, amount }, ctx) => ctx.windows.features.add({ clicks: 0, views: 0, amount, products: product }),
    },
  },
});
