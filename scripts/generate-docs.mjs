// node scripts/generate-docs.mjs [--check]: writes docs/errors.md and docs/metrics.md from the tables in the code, and the code of
// docs/guide/recipes.md from its files; with --check it only says which of them are not what the code says, and ends with 1.
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { loadSource, root } from "./load-source.mjs";

const { errorTable } = await loadSource("packages/schema/src/errors/error-table.ts");
const { metricTable, processLabels } = await loadSource("packages/metrics/src/metric-table.ts");

const recipes = "docs/guide/recipes.md";
const pages = {
  "docs/errors.md": errorsPage(errorTable),
  "docs/metrics.md": metricsPage(metricTable),
  [recipes]: recipesPage(present(recipes), "examples/recipes/src"),
};
const checking = process.argv.includes("--check");
const stale = Object.entries(pages).filter(([path, text]) => present(path) !== text);
for (const [path, text] of stale) {
  if (checking) console.error(`${path} is not what the code says; run: node scripts/generate-docs.mjs`);
  else {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), text);
    console.log(`wrote ${path}`);
  }
}
if (stale.length === 0) console.log(`${Object.keys(pages).join(", ")} are what the code says`);
process.exitCode = checking && stale.length > 0 ? 1 : 0;

function errorsPage(table) {
  const rows = Object.entries(table).map(
    ([code, { retry, meaning, action }]) =>
      `| <a id="${code.toLowerCase()}"></a>\`${code}\` | ${cell(meaning)} | ${retry ? "yes" : "no"} | ${cell(action)} |`,
  );
  return `# Errors

Every error that Reprise raises has one of these codes. *Retry* says whether the same call may succeed later without anybody doing
anything. What leaves a worker also names processor, version, topic, partition and offset. Made by \`scripts/generate-docs.mjs\` from
\`packages/schema/src/errors/error-table.ts\`.

| code | meaning | retry | what to do |
|---|---|---|---|
${rows.join("\n")}
`;
}

function metricsPage(table) {
  const section = (scope) =>
    Object.entries(table)
      .filter(([, entry]) => entry.scope === scope)
      .map(
        ([name, { type, help, labels }]) =>
          `| \`${name}\` | ${type} | ${labels.map((label) => `\`${label}\``).join(", ")} | ${cell(help)} |`,
      )
      .join("\n");
  return `# Metrics

In the format of Prometheus, at \`/metrics\` of every worker and of the controller. Durations are in seconds, sizes in bytes; a rate is
\`rate(<counter>[1m])\`. Beside these there are the usual \`process_*\` and \`nodejs_*\`, and what a processor counts itself, as
\`reprise_user_<name>_total\`. Made by \`scripts/generate-docs.mjs\` from \`packages/metrics/src/metric-table.ts\`.

## Workers

All of them also have ${processLabels.map((label) => `\`${label}\``).join(", ")}.

| metric | type | labels | meaning |
|---|---|---|---|
${section("worker")}

## Controller

| metric | type | labels | meaning |
|---|---|---|---|
${section("controller")}

## Every process

| metric | type | labels | meaning |
|---|---|---|---|
${section("every")}
`;
}

/** The page with each block of code as it stands in the file that its first line names. Every file is on the page. */
function recipesPage(page, folder) {
  const missing = new Set(readdirSync(join(root, folder)));
  const text = page.replaceAll(/(?<=^```ts\n)\/\/ ([\w-]+\.ts)\b.*?(?=^```$)/gms, (_block, name) => {
    missing.delete(name);
    return readFileSync(join(root, folder, name), "utf8");
  });
  if (missing.size > 0)
    throw new Error(`${recipes} does not show ${[...missing].join(", ")}: add a block of code that begins with the name`);
  return text;
}

function cell(text) {
  return text.replaceAll("|", "\\|").replaceAll("\n", " ");
}

function present(path) {
  try {
    return readFileSync(join(root, path), "utf8");
  } catch {
    return undefined;
  }
}
