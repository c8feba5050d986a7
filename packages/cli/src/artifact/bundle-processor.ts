import { dirname, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { build, type BuildFailure, type Metafile, type Plugin } from "esbuild";
import { RepriseError } from "@reprise/schema";

export interface BundleOptions {
  /** Conditions of package exports, beside `import`; `source` takes our packages' sources. Default none. */
  readonly conditions?: readonly string[];
}

export interface Bundle {
  readonly contents: Uint8Array;
  /** The processor's file, and what it imports by path, and so on; absolute. */
  readonly sources: readonly string[];
}

/** CommonJS in the bundle asks for Node's own modules this way; ESM has no `require` by itself. */
const banner = 'import { createRequire as $createRequire } from "node:module"; const require = $createRequire(import.meta.url);';

const surface = /^(reprise|@reprise\/(schema|processor))$/;

/**
 * One ESM file with a processor, its dependencies and the pure part of `reprise`. The same sources give the same bytes, on every machine
 * and in every folder: no paths, no times, no source map in it.
 * @throws RepriseError INVALID_DECLARATION naming file, line and fault
 */
export async function bundleProcessor(file: string, options: BundleOptions = {}): Promise<Bundle> {
  const entry = resolve(file);
  try {
    const result = await build({
      entryPoints: [entry],
      absWorkingDir: dirname(entry),
      bundle: true,
      write: false,
      format: "esm",
      platform: "node",
      target: "node20",
      // Without it esbuild writes the path of each file into the bundle. Names stay, for stack traces.
      minifyWhitespace: true,
      legalComments: "none",
      charset: "utf8",
      logLevel: "silent",
      metafile: true,
      conditions: [...(options.conditions ?? [])],
      banner: { js: banner },
      plugins: [ownSurface],
    });
    return { contents: (result.outputFiles[0] as { contents: Uint8Array }).contents, sources: sourcesOf(result.metafile, entry) };
  } catch (error) {
    throw bundlingFailed(file, error);
  }
}

/** What is reached by relative imports alone: packages are somebody else's. */
function sourcesOf({ inputs, outputs }: Metafile, entry: string): string[] {
  const reached = new Set(Object.values(outputs).flatMap(({ entryPoint }) => entryPoint ?? []));
  for (const path of reached) {
    for (const { path: imported, original } of inputs[path]?.imports ?? []) if (original?.startsWith(".") === true) reached.add(imported);
  }
  return [...reached].filter((path) => /\.[cm]?[jt]sx?$/.test(path)).map((path) => resolve(dirname(entry), path));
}

/** The user's own `reprise` when it is installed there; else the one that this command came with. */
const ownSurface: Plugin = {
  name: "reprise-surface",
  setup(build) {
    const here = dirname(fileURLToPath(import.meta.url));
    build.onResolve({ filter: surface }, async (args) => {
      if (args.pluginData === ownSurface) return undefined;
      const { path, importer: _importer, ...rest } = args;
      const theirs = await build.resolve(path, { ...rest, importer: args.importer, pluginData: ownSurface });
      if (theirs.errors.length === 0) return theirs;
      if (path === "reprise") return { path, namespace: "reprise-surface" };
      return build.resolve(path, { kind: args.kind, resolveDir: here, pluginData: ownSurface });
    });
    build.onLoad({ filter: /.*/, namespace: "reprise-surface" }, () => ({
      contents: 'export * from "@reprise/schema"; export * from "@reprise/processor";',
      resolveDir: here,
    }));
  },
};

function bundlingFailed(file: string, error: unknown): RepriseError {
  const [first] = (error as Partial<BuildFailure>).errors ?? [];
  const where =
    first?.location === undefined || first.location === null
      ? file
      : `${first.location.file}:${first.location.line}:${first.location.column}`;
  const why = first?.text ?? (error instanceof Error ? error.message : String(error));
  return new RepriseError("INVALID_DECLARATION", `'${file}' can't be bundled: ${where}: ${why}`, {
    cause: error,
    details: { file, at: where },
  });
}
