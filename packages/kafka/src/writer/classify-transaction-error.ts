import { type NativeError, nativeCode } from "../internal/native-client.ts";
import { errorClassOf } from "./error-class.ts";

/** Where in a transaction's life the error came from. */
export type TransactionCall = "init" | "begin" | "offsets" | "commit" | "abort";

/**
 * - `retry`: the same call again; nothing is decided.
 * - `abort`: abort the transaction and go back to what was decided; the producer can go on.
 * - `replace`: this producer's state says nothing any more: whether the transaction is committed is in doubt.
 * - `fenced`: another producer has the id, or the coordinator gave up on the transaction. This producer is dead.
 * - `stop`: no producer will do better until an operator changes something.
 */
export type TransactionVerdict = "retry" | "abort" | "replace" | "fenced" | "stop";

/**
 * What to do about an error of a transaction call. Total over codes, flags and calls; a code that is not known falls to the verdict that can't lose a
 * decision. In this order:
 *
 * | error | init | begin | offsets | commit | abort |
 * |---|---|---|---|---|---|
 * | fenced | fenced | fenced | fenced | fenced | fenced |
 * | denied | stop | stop | stop | stop | stop |
 * | flagged fatal | replace | replace | replace | replace | replace |
 * | flagged abortable | replace | replace | abort | abort | replace |
 * | flagged retriable, or timed out | retry | replace | retry | retry | retry |
 * | passing, no flag | retry | replace | retry | replace | retry |
 * | broken, no flag | replace | replace | replace | replace | replace |
 * | anything else | replace | replace | abort | replace | replace |
 */
export function classifyTransactionError(error: NativeError, call: TransactionCall): TransactionVerdict {
  const kind = errorClassOf(error.code);
  // A twin, or a transaction that timed out; with init somebody else initialised at the same moment.
  if (kind === "fenced") return "fenced";
  // Whatever librdkafka makes of it (fatal for the id, abortable for topic and group): trying again changes nothing.
  if (kind === "denied") return "stop";
  // A producer that refuses every call from now on.
  if (error.isFatal === true || error.code === nativeCode.fatal) return "replace";
  // `begin` is purely local: it fails only when the producer is not in the state that we believe.
  if (call === "begin") return "replace";
  // librdkafka knows that EndTxn(commit) was not, and will not be, sent: a lost membership, a missing topic, records that could not be delivered
  // (-149), an expired id (49).
  if (error.isTxnRequiresAbort === true) return call === "offsets" || call === "commit" ? "abort" : "replace";
  // -185: the call goes on inside, and only the same call can fetch its result; another one would fail with -173.
  if (error.isRetriable === true || error.code === nativeCode.timedOut) return "retry";
  // EndTxn may have reached the coordinator: without a word of librdkafka's nobody here knows.
  if (call === "commit") return "replace";
  if (kind === "passing") return "retry";
  // An abort that fails, or an init: a new producer's init aborts what is open. Offsets: EndTxn was not sent, and it concerns only this transaction,
  // unless the producer is not what we believe.
  return call === "offsets" && kind !== "broken" ? "abort" : "replace";
}
