import { systemClock } from "@reprise/engine";
import { createAdmin, createColumnarReader } from "@reprise/kafka";
import { TopicTail } from "../../src/control/topic-tail.ts";

/** What a FakeWorker emits for each input offset. */
export interface FakeOutput {
  readonly deployment: string;
  readonly offset: number;
}

/** What a read_committed reader finds on a topic now: per partition, in order. */
export async function committedOutputs(bootstrap: string, topic: string, partitions: number): Promise<FakeOutput[][]> {
  const admin = createAdmin({ bootstrap });
  const all: FakeOutput[][] = [];
  for (let partition = 0; partition < partitions; partition++) {
    const reader = await createColumnarReader({ bootstrap });
    const found: FakeOutput[] = [];
    const tail = new TopicTail({
      clock: systemClock,
      reader,
      partition: { topic, partition },
      from: 0,
      endOffset: async () => (await admin.endOffsets(topic))[partition] ?? 0,
      onRecord: ({ value }) => void found.push(JSON.parse(value ?? "") as FakeOutput),
      onFailure: (error) => console.error(error),
    });
    tail.start();
    await tail.readToEnd();
    await tail.stop();
    await reader.close();
    all.push(found);
  }
  await admin.close();
  return all;
}
