import { type CommitRecord, type DeploymentSpec, offsetIn, type PositionVector } from "@reprise/engine";

/**
 * C of design section 8, point 4 (3): per input partition the larger of what the fenced publisher committed and the start of its own
 * interval. A publisher that never got to its interval's start leaves an empty interval, not a negative one.
 */
export function cutOf(from: DeploymentSpec, intervalStart: PositionVector, records: ReadonlyMap<number, CommitRecord>): PositionVector {
  const cut: Record<string, number[]> = {};
  for (const input of from.inputs) {
    cut[input.topic] = Array.from({ length: input.partitions }, (_, partition) =>
      Math.max(records.get(partition)?.position[input.topic] ?? 0, offsetIn(intervalStart, input.topic, partition)),
    );
  }
  return cut;
}

/** Partitions of `to`'s inputs that have not committed C yet. Inputs that only `to` reads are no part of C. Empty: the cutover is complete. */
export function behindCut(
  to: DeploymentSpec,
  at: PositionVector,
  records: ReadonlyMap<number, CommitRecord>,
): { readonly topic: string; readonly partition: number; readonly missing: number }[] {
  const behind: { topic: string; partition: number; missing: number }[] = [];
  for (const input of to.inputs) {
    if (at[input.topic] === undefined) continue;
    for (let partition = 0; partition < input.partitions; partition++) {
      const record = records.get(partition);
      const missing = offsetIn(at, input.topic, partition) - (record?.position[input.topic] ?? 0);
      // A task without any commit record is not there yet, even when its cut is 0: nothing could answer its queries.
      if (missing > 0 || record === undefined) behind.push({ topic: input.topic, partition, missing: Math.max(0, missing) });
    }
  }
  return behind;
}
