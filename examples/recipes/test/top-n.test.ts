import { testProcessor } from "reprise/testing";
import { expect, test } from "vitest";
import { Random } from "../../../test/support/random.ts";
import bestSellers from "../src/top-n.ts";

const hourMs = 3_600_000;

test("the best three of each hour are those of sorted sums", () => {
  const random = new Random(10);
  const sales = Array.from({ length: 1_000 }, (_, i) => ({
    ...{ country: random.pick(["de", "fr"]), at: i * 20_000, product: `p-${random.below(15)}`, cents: random.below(50) },
  }));
  const t = testProcessor(bestSellers);
  for (const { country, ...sale } of sales) t.when.sales(country, sale, sale.at);
  t.when.timePasses(10 * hourMs);
  const expected: object[] = [];
  for (let hour = 0; hour < 6 * hourMs; hour += hourMs) {
    for (const country of ["de", "fr"]) {
      const sums = new Map<string, number>();
      for (const { product, cents } of sales.filter((one) => one.country === country && one.at >= hour && one.at < hour + hourMs))
        sums.set(product, (sums.get(product) ?? 0) + cents);
      const products = [...sums].sort(([a, m], [b, n]) => n - m || (a < b ? -1 : 1)).slice(0, 3);
      expected.push({ key: country, value: { hour, products: products.map(([item, by]) => ({ item, by })) } });
    }
  }
  expect(t.then.best()).toMatchObject(expected);
  t.checkReplay();
});
