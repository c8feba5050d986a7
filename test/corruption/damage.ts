import { readdirSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Random } from "../support/random.ts";

export interface Damage {
  /** The kind of file, for counting: `MANIFEST`, `sst`, `log` … */
  readonly kind: string;
  /** For people: what, where. */
  readonly what: string;
  apply(folder: string): void;
}

/** Every file of a store below `folder`, with its size. */
export function filesOf(folder: string): { readonly file: string; readonly size: number }[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(folder.length + 1))
    .sort()
    .map((file) => ({ file, size: statSync(join(folder, file)).size }));
}

const kindOf = (file: string): string => {
  const name = file.slice(file.lastIndexOf("/") + 1);
  return /\.(sst|ldb|log|json)$/.exec(name)?.[1] ?? name.replace(/-\d+$|\.old\..*$/, "");
};

/** Of a kind, the first and the last: the oldest table and the newest, the log that counts and the one before it. */
function someOf(files: readonly { readonly file: string; readonly size: number }[]): { readonly file: string; readonly size: number }[] {
  const byKind = new Map<string, (typeof files)[number][]>();
  for (const one of files) byKind.set(kindOf(one.file), [...(byKind.get(kindOf(one.file)) ?? []), one]);
  return [...byKind.values()].flatMap((all) =>
    all.length <= 2 ? all : [all[0] as (typeof all)[number], all.at(-1) as (typeof all)[number]],
  );
}

/** For each file: gone, empty, cut off at random places, single bits flipped, and stretches overwritten. */
export function damagesOf(folder: string, random: Random): Damage[] {
  return someOf(filesOf(folder)).flatMap(({ file, size }) => {
    const damages: Damage[] = [];
    const add = (what: string, apply: (path: string) => void): void => {
      damages.push({ kind: kindOf(file), what: `${file} ${what}`, apply: (at) => apply(join(at, file)) });
    };
    add("deleted", (path) => rmSync(path));
    if (size === 0) return damages;
    add("emptied", (path) => truncateSync(path, 0));
    for (const at of [size - 1, random.below(size)]) add(`cut off at ${at}`, (path) => truncateSync(path, at));
    const spots = [0, size - 1, ...Array.from({ length: 2 }, () => random.below(size))];
    for (const at of spots) {
      const bit = random.below(8);
      add(`bit ${bit} of byte ${at} flipped`, (path) => patch(path, at, (bytes) => (bytes[0] = (bytes[0] as number) ^ (1 << bit)), 1));
    }
    const from = random.below(size);
    const noise = random.bytes(Math.min(512, size - from));
    add(`overwritten from ${from}`, (path) => patch(path, from, (bytes) => noise.copy(bytes), noise.length));
    add(`zeroed from ${from}`, (path) => patch(path, from, (bytes) => bytes.fill(0), noise.length));
    return damages;
  });
}

function patch(path: string, at: number, change: (bytes: Buffer) => unknown, length: number): void {
  const content = readFileSync(path);
  change(content.subarray(at, at + length));
  writeFileSync(path, content);
}
