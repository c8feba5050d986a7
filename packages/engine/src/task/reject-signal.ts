/** Thrown by `ctx.reject(reason)`: no fault, a decision about the record. */
export class RejectSignal extends Error {
  override readonly name = "RejectSignal";
}
