import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** Whose checkpoints, and where. */
interface Checkpoints {
  readonly checkpointFolder: string;
  readonly id: string;
}

const folderOf = ({ checkpointFolder, id }: Checkpoints, partition: number): string => join(checkpointFolder, id, String(partition));

/** Commit numbers of a task's checkpoints, newest first. */
export function checkpointsOf(deployed: Checkpoints, partition: number): number[] {
  try {
    return readdirSync(join(folderOf(deployed, partition), "manifests"))
      .filter((name) => name.endsWith(".json"))
      .map((name) => Number.parseInt(name, 10))
      .sort((a, b) => b - a);
  } catch {
    return [];
  }
}

/** One bit, in the middle of rows that only this checkpoint has. */
export function damageCheckpoint(deployed: Checkpoints, partition: number, n: number): void {
  const others = new Set(
    checkpointsOf(deployed, partition)
      .filter((other) => other !== n)
      .flatMap((other) => segmentsOf(deployed, partition, other)),
  );
  const own = segmentsOf(deployed, partition, n).find((name) => !others.has(name));
  if (own === undefined) throw new Error(`checkpoint ${n} has no rows of its own in ${folderOf(deployed, partition)}`);
  const file = join(folderOf(deployed, partition), "segments", own);
  const bytes = readFileSync(file);
  const middle = bytes.length >> 1;
  bytes[middle] = (bytes[middle] as number) ^ 1;
  writeFileSync(file, bytes);
}

function segmentsOf(deployed: Checkpoints, partition: number, n: number): string[] {
  const folder = join(folderOf(deployed, partition), "manifests");
  const file = join(folder, readdirSync(folder).find((name) => Number.parseInt(name, 10) === n) as string);
  const { manifest } = JSON.parse(readFileSync(file, "utf8")) as { manifest: { runs: { sha256: string }[][] } };
  return manifest.runs.flat().map(({ sha256 }) => sha256);
}
