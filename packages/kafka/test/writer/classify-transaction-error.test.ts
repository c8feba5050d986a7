import { expect, test } from "vitest";
import { nativeCode } from "../../src/internal/native-client.ts";
import { classifyTransactionError, type TransactionCall, type TransactionVerdict } from "../../src/writer/classify-transaction-error.ts";

const calls: readonly TransactionCall[] = ["init", "begin", "offsets", "commit", "abort"];
const verdicts = (error: Parameters<typeof classifyTransactionError>[0]): TransactionVerdict[] =>
  calls.map((call) => classifyTransactionError(error, call));

test.each([nativeCode.fenced, nativeCode.invalidProducerEpoch, nativeCode.producerFenced])(
  "code %i is a fence wherever it comes from",
  (code) => {
    expect(verdicts({ code, message: "", isFatal: true })).toEqual(["fenced", "fenced", "fenced", "fenced", "fenced"]);
    expect(verdicts({ code, message: "", isTxnRequiresAbort: true })).toEqual(["fenced", "fenced", "fenced", "fenced", "fenced"]);
  },
);

test("a commit that timed out is asked for again, never aborted", () => {
  expect(classifyTransactionError({ code: nativeCode.timedOut, message: "", isRetriable: true }, "commit")).toBe("retry");
  expect(classifyTransactionError({ code: nativeCode.timedOut, message: "" }, "commit")).toBe("retry");
});

test("an abortable error aborts, except where the abort itself fails", () => {
  expect(verdicts({ code: nativeCode.invalidProducerIdMapping, message: "", isTxnRequiresAbort: true })).toEqual([
    "abort",
    "abort",
    "abort",
    "abort",
    "replace",
  ]);
});

test("an error that nobody knows never counts as aborted once EndTxn may have been sent", () => {
  expect(verdicts({ code: 9_999, message: "" })).toEqual(["fatal", "replace", "abort", "replace", "replace"]);
});

test("a fatal error ends the producer, and access that was denied ends the attempt", () => {
  expect(verdicts({ code: 45, message: "", isFatal: true })).toEqual(["fatal", "fenced", "fenced", "fenced", "fenced"]);
  expect(verdicts({ code: nativeCode.transactionalIdAuthorizationFailed, message: "", isFatal: true })).toEqual([
    "fatal",
    "fatal",
    "fatal",
    "fatal",
    "fatal",
  ]);
});

test("every code between -200 and 130 has a verdict for every call and every combination of flags", () => {
  const known: readonly TransactionVerdict[] = ["retry", "abort", "replace", "fenced", "fatal"];
  for (let code = -200; code <= 130; code++) {
    for (let flags = 0; flags < 8; flags++) {
      const error = { code, message: "", isFatal: (flags & 1) > 0, isRetriable: (flags & 2) > 0, isTxnRequiresAbort: (flags & 4) > 0 };
      for (const verdict of verdicts(error)) expect(known).toContain(verdict);
    }
  }
});
