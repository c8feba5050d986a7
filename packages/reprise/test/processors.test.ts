import { json, processor, RepriseError, s, topic, key } from "reprise";
import { definitionOf } from "@reprise/processor";
import { schemaRuntime } from "@reprise/schema";
import { describe, expect, it } from "vitest";
import { testProcessor } from "reprise/testing";
import { z } from "zod";
import fraud, { payments } from "./api/1-fraud.ts";
import airport from "./api/2-airport.ts";
import fridges from "./api/3-iot.ts";
import bars from "./api/4-vwap.ts";
import sessions, { askSegment } from "./api/5-sessions.ts";

describe("the five processors", () => {
  it.each([fraud, airport, fridges, bars, sessions])("declare themselves as data", (declared) => {
    const definition = definitionOf(declared);
    expect(definition.handlers).toBeDefined();
    expect(JSON.parse(JSON.stringify(declared.manifest))).toEqual(declared.manifest);
  });

  it("run, and do what their page says", () => {
    for (const declared of [fraud, airport, fridges, bars, sessions]) expect(() => testProcessor(declared as never)).not.toThrow();
    const t = testProcessor(fraud, { params: { maxPayments: 1, maxCents: 500_000, defaultLimitCents: 1_000_000 } });
    t.given.merchants("m1", { category: "books", limitCents: 10_000 });
    t.when.payments("card-1", { paymentId: "p1", merchantId: "m1", cents: 20_000 }, "2024-01-01T10:00:00Z");
    t.when.payments("card-1", { paymentId: "p2", merchantId: "m1", cents: 100 }, "2024-01-01T10:01:00Z");
    expect(t.then.scored().map(({ value }) => value.reasons)).toEqual([["amount"], ["velocity"]]);
    expect(t.stateOf("card-1").lastFlagged.get()?.paymentId).toBe("p2");
    t.checkReplay();
    const fridge = testProcessor(fridges);
    fridge.when.readings("f1", { celsius: -5, at: 0 }, 0);
    fridge.when.timePasses(310_000);
    expect(fridge.then.alerts().map(({ value }) => value.kind)).toEqual(["warm"]);
  });

  it("keep their handlers, parameters and durations", () => {
    const definition = definitionOf(fraud);
    expect(Object.keys(definition.handlers?.on ?? {})).toEqual(["payments"]);
    if (definition.params === undefined) throw new Error("fraud declares parameters");
    expect(schemaRuntime(definition.params).fromJson('{"maxPayments":4}')).toEqual({
      maxPayments: 4,
      maxCents: 500_000,
      defaultLimitCents: 1_000_000,
    });
    expect(definitionOf(airport).inputs["flights"]).toMatchObject({
      kind: "rekey",
      name: "flights-by-airport",
      from: { outOfOrderMs: 7_200_000 },
    });
    expect(askSegment.name).toBe("ask-segment");
    expect(payments.kind).toBe("topic");
  });

  it("have manifests that stay what they are", () => {
    const { inputs, outputs, windows } = definitionOf(airport).manifest;
    expect({
      inputs: inputs.map((input) => [input.topic, input.value?.fingerprint]),
      outputs: outputs.map((output) => [output.topic, output.key.schema.fingerprint, output.value?.fingerprint]),
      windows,
    }).toMatchSnapshot();
  });
});

it("takes zod's schemas", () => {
  const Order = z.object({ id: z.string(), cents: z.number().int(), coupon: z.string().nullable() });
  const runtime = schemaRuntime(json(Order));
  const order = { id: "a", cents: 5, coupon: null };
  expect(runtime.fromJson(runtime.encode(order).toString())).toEqual(order);
  expect(() => runtime.fromJson('{"id":"a","cents":0.5,"coupon":null}')).toThrow(/^zod\.cents: /);
  expect(() => runtime.encode({ ...order, id: 1 } as never)).toThrow(/^zod\.id: /);
  expect(() => schemaRuntime(json(z.string().refine(async () => true))).fromJson('"a"')).toThrow(/async/i);
});

it("raises errors that users can recognise", () => {
  try {
    processor({ name: "Nope", version: 1, key: key("k", s.string), inputs: { t: topic("t", { key: key("k", s.string), value: s.int }) } });
  } catch (error) {
    expect(RepriseError.is(error) && error.code).toBe("INVALID_NAME");
    return;
  }
  throw new Error("expected an error");
});
