/** What a test gives to a processor that is made for it: several tests share a broker. */
export interface Names {
  readonly processor: string;
  readonly version: number;
  /** Topics; the first one leads. */
  readonly inputs: readonly string[];
  readonly output: string;
  /** What becomes of records that do not decode, or whose handler throws. */
  readonly policy?: "fail" | "skip" | "dead-letter";
}

/** The topic of an input by its place; a processor that asks for one too many is a mistake in the test. */
export function inputOf(names: Names, index: number): string {
  const topic = names.inputs[index];
  if (topic === undefined) throw new Error(`${names.processor} has no input ${index}`);
  return topic;
}
