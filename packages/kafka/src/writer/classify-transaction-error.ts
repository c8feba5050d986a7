import { type NativeError, nativeCode } from "../internal/native-client.ts";

/** Where in a transaction's life the error came from. */
export type TransactionCall = "init" | "begin" | "offsets" | "commit" | "abort";

/**
 * - `retry`: the same call again; nothing is decided.
 * - `abort`: abort the transaction; the producer can go on.
 * - `replace`: this producer's state says nothing any more: whether the transaction is committed is in doubt.
 * - `fenced`: another producer has the id, or the coordinator gave up on the transaction. This producer is dead.
 * - `fatal`: no producer will do better until an operator changes something.
 */
export type TransactionVerdict = "retry" | "abort" | "replace" | "fenced" | "fatal";

const fencing: ReadonlySet<number> = new Set([nativeCode.fenced, nativeCode.invalidProducerEpoch, nativeCode.producerFenced]);

const refused: ReadonlySet<number> = new Set([
  nativeCode.clusterAuthorizationFailed,
  nativeCode.transactionalIdAuthorizationFailed,
  nativeCode.topicAuthorizationFailed,
  nativeCode.groupAuthorizationFailed,
]);

/** What to do about an error of a transaction call. Total: whatever is not known falls to the verdict that can't lose a decision. */
export function classifyTransactionError(error: NativeError, call: TransactionCall): TransactionVerdict {
  // -144, 47, 90 all mean 'not you any more': a twin, or a transaction that timed out. The codes can't tell which, and with init
  // they mean that somebody else initialised at the same moment.
  if (fencing.has(error.code)) return "fenced";

  // Access that was denied is fatal in librdkafka's words for the id, abortable for topic and group; trying again changes neither.
  if (refused.has(error.code) && (error.isFatal === true || call === "init")) return "fatal";

  // Any other fatal error (a lost sequence, …) leaves a producer that refuses every call: same recovery as when fenced.
  if (error.isFatal === true || error.code === nativeCode.fatal) return call === "init" ? "fatal" : "fenced";

  // librdkafka knows that EndTxn(commit) was not, and will not be, sent: a lost membership, a missing topic, records that could
  // not be delivered (-149), an expired id (49).
  if (error.isTxnRequiresAbort === true) return call === "abort" ? "replace" : "abort";

  switch (call) {
    case "init":
      // Coordinator not there yet, time-out: initTransactions resumes where it was.
      return error.isRetriable === true || error.code === nativeCode.timedOut ? "retry" : "fatal";
    case "begin":
      // Purely local: fails only when the producer is not in the state that we believe.
      return "replace";
    case "offsets":
      // Time-out, coordinator moved: the call is idempotent. Anything else concerns only this transaction, and EndTxn was not sent.
      return error.isRetriable === true || error.code === nativeCode.timedOut ? "retry" : "abort";
    case "commit":
      // -185: the commit goes on inside, and only the same call can fetch its result; abort would fail with -173. Anything else:
      // EndTxn may have reached the coordinator.
      return error.isRetriable === true || error.code === nativeCode.timedOut ? "retry" : "replace";
    case "abort":
      // -173: another call is still under way inside. A new producer's init aborts what is open.
      return error.isRetriable === true || error.code === nativeCode.timedOut ? "retry" : "replace";
  }
}
