import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join, relative, sep } from "node:path";

/**
 * @typedef {object} Package
 * @property {string} folder relative to the root, with slashes
 * @property {string} short its name without the scope
 * @property {"package" | "processor" | "tests"} kind
 * @property {any} manifest its package.json
 * @property {string[]} references folders of its tsconfig's references, relative to the root
 */

/** @param {string} root @returns {Package[]} */
export function packagesOf(root) {
  const found = [];
  for (const name of folders(join(root, "packages"))) {
    if (name !== "processors") found.push(`packages/${name}`);
    else {
      for (const processor of folders(join(root, "packages/processors"))) {
        for (const version of folders(join(root, "packages/processors", processor)))
          found.push(`packages/processors/${processor}/${version}`);
      }
    }
  }
  for (const example of folders(join(root, "examples"))) found.push(`examples/${example}`);
  if (existsSync(join(root, "test/package.json"))) found.push("test");
  return found.filter((folder) => existsSync(join(root, folder, "package.json"))).map((folder) => packageAt(root, folder));
}

/** Source files of a package, relative to the root, with slashes. */
export function filesOf(root, folder) {
  const found = [];
  const walk = (path) => {
    for (const entry of readdirSync(path, { withFileTypes: true })) {
      if (entry.name === "node_modules" || entry.name === "dist" || entry.name === "fixtures" || entry.name.startsWith(".")) continue;
      const at = join(path, entry.name);
      if (entry.isDirectory()) walk(at);
      else if (/\.(ts|mts|mjs|js|cjs)$/.test(entry.name)) found.push(relative(root, at).split(sep).join("/"));
    }
  };
  walk(join(root, folder));
  return found.sort();
}

function packageAt(root, folder) {
  const manifest = JSON.parse(readFileSync(join(root, folder, "package.json"), "utf8"));
  const kind = folder === "test" ? "tests" : /^(packages\/processors|examples)\//.test(folder) ? "processor" : "package";
  return { folder, short: manifest.name.replace(/^@reprise\//, ""), kind, manifest, references: referencesOf(root, folder) };
}

function referencesOf(root, folder) {
  const path = join(root, folder, "tsconfig.json");
  if (!existsSync(path)) return [];
  const { references = [] } = JSON.parse(readFileSync(path, "utf8"));
  return references.map((reference) =>
    relative(root, join(root, folder, reference.path))
      .split(sep)
      .join("/"),
  );
}

function folders(path) {
  if (!existsSync(path)) return [];
  return readdirSync(path, { withFileTypes: true })
    .filter((entry) => entry.isDirectory() && entry.name !== "node_modules")
    .map((entry) => entry.name)
    .sort();
}
