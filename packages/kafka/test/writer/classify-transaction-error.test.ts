import { createRequire } from "node:module";
import { describe, expect, test } from "vitest";
import { nativeCode } from "../../src/internal/native-client.ts";
import { classifyTransactionError, type TransactionCall, type TransactionVerdict } from "../../src/writer/classify-transaction-error.ts";
import { type ErrorClass, errorClassOf } from "../../src/writer/error-class.ts";

const binding = createRequire(import.meta.url)("@confluentinc/kafka-javascript") as {
  readonly CODES: { readonly ERRORS: { readonly [name: string]: number } };
};
const { ERRORS } = binding.CODES;
const codes = Object.entries(ERRORS);

const calls: readonly TransactionCall[] = ["init", "begin", "offsets", "commit", "abort"];
type Flags = { readonly isFatal: boolean; readonly isTxnRequiresAbort: boolean; readonly isRetriable: boolean };
const flagsOf = (bits: number): Flags => ({ isFatal: (bits & 1) > 0, isTxnRequiresAbort: (bits & 2) > 0, isRetriable: (bits & 4) > 0 });
const allFlags = Array.from({ length: 8 }, (_, bits) => flagsOf(bits));
const verdicts = (code: number, flags: Partial<Flags> = {}): TransactionVerdict[] =>
  calls.map((call) => classifyTransactionError({ code, message: "", ...flags }, call));

/** By class and by the flag that counts, for init, begin, offsets, commit, abort. */
const five = (verdict: TransactionVerdict): TransactionVerdict[] => calls.map(() => verdict);
const abortable: TransactionVerdict[] = ["replace", "replace", "abort", "abort", "replace"];
const retriable: TransactionVerdict[] = ["retry", "replace", "retry", "retry", "retry"];
const unflagged: { readonly [kind in ErrorClass]: TransactionVerdict[] } = {
  fenced: five("fenced"),
  denied: five("stop"),
  passing: ["retry", "replace", "retry", "replace", "retry"],
  member: ["replace", "replace", "abort", "replace", "replace"],
  refused: ["replace", "replace", "abort", "replace", "replace"],
  broken: five("replace"),
  elsewhere: ["replace", "replace", "abort", "replace", "replace"],
};

function expected(code: number, flags: Flags): TransactionVerdict[] {
  const kind = errorClassOf(code) as ErrorClass;
  if (kind === "fenced" || kind === "denied") return unflagged[kind];
  if (flags.isFatal || code === nativeCode.fatal) return five("replace");
  if (flags.isTxnRequiresAbort) return abortable;
  if (flags.isRetriable || code === nativeCode.timedOut) return retriable;
  return unflagged[kind];
}

test("the binding gives its codes", () => {
  expect(codes.length).toBeGreaterThan(150);
  expect(ERRORS["ERR__FENCED"]).toBe(nativeCode.fenced);
});

test.each(codes)("%s (%i) has a class, and a verdict for every call and all flags", (_name, code) => {
  expect(errorClassOf(code)).toBeDefined();
  for (const flags of allFlags) expect([flags, verdicts(code, flags)]).toEqual([flags, expected(code, flags)]);
});

describe("whatever the code", () => {
  const every = codes.map(([, code]) => code).concat(9_999, -999);
  const decided = (check: (verdict: TransactionVerdict, call: TransactionCall, flags: Flags, code: number) => void): void => {
    for (const code of every)
      for (const flags of allFlags) verdicts(code, flags).forEach((verdict, i) => check(verdict, calls[i] as TransactionCall, flags, code));
  };

  test("a commit is called aborted only when librdkafka says so: EndTxn may have been sent", () => {
    decided((verdict, call, flags) => {
      if (call === "commit" && verdict === "abort") expect(flags).toMatchObject({ isTxnRequiresAbort: true, isFatal: false });
    });
  });

  test("a commit is asked for again only when librdkafka says that this fetches its result", () => {
    decided((verdict, call, flags, code) => {
      if (call === "commit" && verdict === "retry") expect(flags.isRetriable || code === nativeCode.timedOut).toBe(true);
    });
  });

  test("a producer that failed for good is not used again", () => {
    decided((verdict, _call, flags) => {
      if (flags.isFatal) expect(["replace", "fenced", "stop"]).toContain(verdict);
    });
  });

  test("an abort that fails is never aborted", () => {
    decided((verdict, call) => {
      if (call === "abort") expect(verdict).not.toBe("abort");
    });
  });
});

test.each([
  ["a commit that timed out is asked for again", nativeCode.timedOut, {}, "commit", "retry"],
  ["an expired id is aborted", nativeCode.invalidProducerIdMapping, { isTxnRequiresAbort: true }, "commit", "abort"],
  ["records that were not delivered are aborted", nativeCode.inconsistent, { isTxnRequiresAbort: true }, "commit", "abort"],
  [
    "a topic that may not be written stops the worker, although the transaction could be aborted",
    29,
    { isTxnRequiresAbort: true },
    "commit",
    "stop",
  ],
  ["an id that may not be used stops the worker", 53, { isFatal: true }, "init", "stop"],
  ["a coordinator that is not there yet is asked again", 15, {}, "init", "retry"],
  ["another call that is under way inside is left to a new producer", nativeCode.conflict, {}, "commit", "replace"],
  ["what nobody knows aborts before EndTxn", 9_999, {}, "offsets", "abort"],
  ["what nobody knows leaves it in doubt after", 9_999, {}, "commit", "replace"],
] as const)("%s", (_what, code, flags, call, verdict) => {
  expect(classifyTransactionError({ code, message: "", ...flags }, call)).toBe(verdict);
});
