import { readFile } from "node:fs/promises";
import { extname, relative } from "node:path";
import { originalPositionFor, TraceMap } from "@jridgewell/trace-mapping";
import { type EsNode, nondeterminismAt } from "@reprise/processor/lint";
import { parse } from "acorn";
import { type Loader, transform } from "esbuild";

/** A place in a processor's sources that a replay would give other results for. */
export interface Nondeterminism {
  /** Relative to the working directory. */
  readonly file: string;
  readonly line: number;
  readonly column: number;
  readonly message: string;
}

/** As editors and terminals make a link of it. */
export const warningText = ({ file, line, column, message }: Nondeterminism): string => `${file}:${line}:${column}: ${message}`;

/** On the line or the one above it; with the reason behind it, for whoever reads it next. */
const allowed = /reprise-allow-nondeterminism/;
const loaders: { readonly [extension: string]: Loader } = { ".ts": "ts", ".mts": "ts", ".cts": "ts", ".tsx": "tsx", ".jsx": "jsx" };

/** Clocks, randomness, timers, network and machine in source files, in their order. @param files absolute */
export async function findNondeterminism(files: readonly string[]): Promise<Nondeterminism[]> {
  return (await Promise.all(files.map(findIn))).flat();
}

async function findIn(file: string): Promise<Nondeterminism[]> {
  const source = await readFile(file, "utf8");
  const loader = loaders[extname(file)] ?? "js";
  // Types away; names, and where everything stood, kept.
  const { code, map } = await transform(source, { loader, target: "esnext", sourcemap: "external", sourcefile: file, logLevel: "silent" });
  const tree = parse(code, { ecmaVersion: "latest", sourceType: "module", locations: true }) as unknown as EsNode;
  const declared = declaredIn(tree);
  const isGlobal = (identifier: EsNode): boolean => !declared.has(String(identifier["name"]));
  const places = new TraceMap(map);
  const lines = source.split("\n");
  const found: Nondeterminism[] = [];
  for (const node of nodesOf(tree)) {
    const message = nondeterminismAt(node, isGlobal);
    if (message === undefined) continue;
    const { line, column } = originalPositionFor(places, (node["loc"] as { start: { line: number; column: number } }).start);
    if (line === null || [lines[line - 1], lines[line - 2]].some((text) => allowed.test(text ?? ""))) continue;
    found.push({ file: relative(process.cwd(), file), line, column: column + 1, message });
  }
  return found.sort((a, b) => a.line - b.line || a.column - b.column);
}

function* nodesOf(node: EsNode): Generator<EsNode> {
  yield node;
  for (const child of Object.values(node)) {
    for (const one of Array.isArray(child) ? (child as unknown[]) : [child]) if (isNode(one)) yield* nodesOf(one);
  }
}

const isNode = (value: unknown): value is EsNode =>
  typeof value === "object" && value !== null && typeof (value as EsNode).type === "string";

/** Names that a file gives a meaning of its own anywhere: `Date` there is not the clock. Coarser than scopes, and rarely wrong. */
function declaredIn(tree: EsNode): Set<string> {
  const names = new Set<string>();
  for (const node of nodesOf(tree)) {
    if (node.type === "VariableDeclarator") addPattern(node["id"], names);
    else if (/^Import(|Default|Namespace)Specifier$/.test(node.type)) addPattern(node["local"], names);
    else if (/^(Function|Class|ArrowFunction)/.test(node.type)) {
      addPattern(node["id"], names);
      for (const param of (node["params"] ?? []) as unknown[]) addPattern(param, names);
    }
  }
  return names;
}

/** The identifiers that a pattern binds; its defaults are no bindings. */
function addPattern(pattern: unknown, names: Set<string>): void {
  if (!isNode(pattern)) return;
  if (pattern.type === "Identifier") names.add(String(pattern["name"]));
  else if (pattern.type === "AssignmentPattern") addPattern(pattern["left"], names);
  else if (pattern.type === "RestElement") addPattern(pattern["argument"], names);
  else if (pattern.type === "Property") addPattern(pattern["value"], names);
  else for (const one of (pattern["elements"] ?? pattern["properties"] ?? []) as unknown[]) addPattern(one, names);
}
