export { default as eslintPlugin } from "./eslint-plugin.ts";
export { type EsNode, nondeterminismAt } from "./nondeterminism.ts";
