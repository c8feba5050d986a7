import { readFileSync } from "node:fs";
import { builtinModules } from "node:module";
import { join, posix } from "node:path";
import { importsOf } from "./imports.mjs";
import { engines, facades, insideTests, processorImports, ranks, sharedTestFolder, testTools } from "./rules.mjs";
import { filesOf, packagesOf } from "./workspace.mjs";

/** @typedef {{ file: string, line: number, rule: string, message: string }} Violation */

/**
 * Checks every import of every package below `root`, and that package.json and tsconfig.json say the same.
 * @param {string} root
 * @returns {{ violations: Violation[], files: number, packages: number }}
 */
export function checkLayers(root) {
  const packages = packagesOf(root);
  const names = new Map(packages.map((found) => [found.manifest.name, found]));
  const rootTools = Object.keys(JSON.parse(readFileSync(join(root, "package.json"), "utf8")).devDependencies ?? {});
  const violations = [];
  const importers = new Map();
  let files = 0;
  for (const owner of packages) {
    const used = new Set();
    // One report per missing dependency is enough, at the first import.
    const undeclared = new Set();
    for (const file of filesOf(root, owner.folder)) {
      files += 1;
      const { imports, literals } = importsOf(readFileSync(join(root, file), "utf8"));
      for (const literal of literals) used.add(moduleName(literal));
      for (const found of imports) {
        const isTest = owner.kind === "tests" || !file.startsWith(`${owner.folder}/src/`);
        const context = { owner, file, isTest, names, rootTools, ...found };
        for (const [rule, message] of importFaults(context)) {
          if (rule === "undeclared" && undeclared.has(message)) continue;
          if (rule === "undeclared") undeclared.add(message);
          violations.push({ file, line: found.line, rule, message });
        }
        if (!isTest) noteThirdParty(importers, context);
      }
    }
    violations.push(...manifestFaults(owner, used, names));
  }
  violations.push(...sharedFaults(importers));
  return { violations, files, packages: packages.length };
}

function importFaults(context) {
  const { specifier } = context;
  if (specifier.startsWith(".")) return relativeFaults(context);
  if (context.owner.kind === "processor") return processorFaults(context);
  if (isBuiltin(specifier)) return [];
  const target = context.names.get(moduleName(specifier));
  return [
    ...(target === undefined ? engineFaults(context) : layerFaults(context, target)),
    ...(target === undefined ? [] : internalFaults(context, target)),
    ...declarationFaults(context),
  ];
}

/** Over the border of a package only by its name. */
function relativeFaults({ owner, file, isTest, specifier }) {
  const target = posix.normalize(posix.join(posix.dirname(file), specifier));
  if (target.startsWith(`${owner.folder}/`)) {
    if (isTest || target.startsWith(`${owner.folder}/src/`) || target === `${owner.folder}/package.json`) return [];
    return [["cross-package-relative", `source imports ${target}, which lies outside of its src`]];
  }
  if (isTest && target.startsWith(sharedTestFolder)) return [];
  if (file.startsWith(insideTests.folder) && insideTests.of.some((folder) => target.startsWith(folder))) return [];
  return [["cross-package-relative", `imports ${target} by path; import the package by its name`]];
}

function processorFaults({ isTest, specifier }) {
  const allowed = processorImports[isTest ? "test" : "source"];
  if (allowed.includes(specifier) || (isTest && isBuiltin(specifier))) return [];
  return [["processor-imports", `a processor imports only ${allowed.join(", ")}, not ${specifier}`]];
}

function layerFaults({ owner, specifier, typeOnly, isTest }, target) {
  if (owner.kind === "tests" || target === owner) return [];
  const facade = facades[owner.short];
  if (facade !== undefined) {
    const allowed = facade[target.short];
    if (allowed === "values" || (allowed === "types" && (typeOnly || isTest))) return [];
    const instead = allowed === "types" ? "only its types" : `only ${Object.keys(facade).join(", ")}`;
    return [["layers", `${owner.short} imports ${specifier}; it may import ${instead}`]];
  }
  const [mine, its] = [ranks[owner.short], ranks[target.short]];
  if (mine === undefined) return [["layers", `${owner.short} has no rank; give it one in scripts/layers/rules.mjs`]];
  if (its !== undefined && its < mine) return [];
  return [["layers", `${owner.short} (rank ${mine}) imports ${specifier} (rank ${its ?? "none"}); only lower ranks are allowed`]];
}

/** Whole-system tests judge from outside, with clients of their own. */
function engineFaults({ owner, specifier }) {
  if (owner.kind === "tests") return [];
  const allowed = engines[moduleName(specifier)];
  if (allowed === undefined || allowed.includes(owner.short)) return [];
  return [["engines", `${specifier} may be imported only by ${allowed.join(", ")}`]];
}

function internalFaults({ specifier, owner }, target) {
  if (target === owner) return [];
  const subpath = `.${specifier.slice(target.manifest.name.length)}`;
  if (Object.hasOwn(target.manifest.exports ?? {}, subpath)) return [];
  return [["internals", `${specifier} is not among the exports of ${target.manifest.name}`]];
}

/** Source needs `dependencies`; tests may also use `devDependencies`, and the root's tools. */
function declarationFaults({ owner, specifier, isTest, rootTools }) {
  const name = moduleName(specifier);
  if (name === owner.manifest.name) return [];
  const { dependencies = {}, devDependencies = {}, peerDependencies = {}, optionalDependencies = {} } = owner.manifest;
  if ([dependencies, peerDependencies, optionalDependencies].some((group) => Object.hasOwn(group, name))) return [];
  if (isTest && (Object.hasOwn(devDependencies, name) || testTools.includes(name) || rootTools.includes(name))) return [];
  return [["undeclared", `${name} is not among the dependencies of ${owner.folder}/package.json`]];
}

function manifestFaults(owner, used, names) {
  const file = `${owner.folder}/package.json`;
  const faults = [];
  for (const name of Object.keys(owner.manifest.dependencies ?? {})) {
    if (!used.has(name)) faults.push({ file, line: 1, rule: "unused", message: `depends on ${name}, which none of its files imports` });
    const target = names.get(name);
    if (target !== undefined && owner.references.length > 0 && !owner.references.includes(target.folder)) {
      const message = `depends on ${name}, but its tsconfig.json has no reference to ${target.folder}: a clean build may come too early`;
      faults.push({ file: `${owner.folder}/tsconfig.json`, line: 1, rule: "references", message });
    }
  }
  return faults;
}

function noteThirdParty(importers, { owner, file, line, specifier, names }) {
  const name = moduleName(specifier);
  if (specifier.startsWith(".") || isBuiltin(specifier) || names.has(name) || engines[name] !== undefined) return;
  const seen = importers.get(name) ?? new Map();
  if (!seen.has(owner.short)) seen.set(owner.short, { file, line });
  importers.set(name, seen);
}

function sharedFaults(importers) {
  return [...importers].flatMap(([name, seen]) =>
    [...seen].slice(1).map(([short, { file, line }]) => {
      const message = `${short} imports ${name}, as ${[...seen.keys()][0]} does; one package wraps it, or scripts/layers/rules.mjs lists both`;
      return { file, line, rule: "engines", message };
    }),
  );
}

/** `@scope/name/path` → `@scope/name` */
function moduleName(specifier) {
  return specifier
    .split("/")
    .slice(0, specifier.startsWith("@") ? 2 : 1)
    .join("/");
}

const isBuiltin = (specifier) => specifier.startsWith("node:") || builtinModules.includes(specifier);
