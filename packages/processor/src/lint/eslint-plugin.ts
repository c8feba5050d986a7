import { type EsNode, nondeterminismAt } from "./nondeterminism.ts";

/** The part of a rule's context that ESLint 9 and oxlint both have. */
interface RuleContext {
  report(found: { readonly node: EsNode; readonly message: string }): void;
  readonly sourceCode: { getScope(node: EsNode): Scope };
}

interface Scope {
  readonly upper: Scope | null;
  readonly set: ReadonlyMap<string, { readonly defs: readonly unknown[] }>;
}

function create(context: RuleContext): { readonly [type: string]: (node: EsNode) => void } {
  const isGlobal = (identifier: EsNode): boolean => {
    const name = String(identifier["name"]);
    for (let scope: Scope | null = context.sourceCode.getScope(identifier); scope !== null; scope = scope.upper)
      if ((scope.set.get(name)?.defs.length ?? 0) > 0) return false;
    return true;
  };
  const visit = (node: EsNode): void => {
    const message = nondeterminismAt(node, isGlobal);
    if (message !== undefined) context.report({ node, message });
  };
  return { MemberExpression: visit, NewExpression: visit, CallExpression: visit, ImportDeclaration: visit };
}

/**
 * For ESLint 9 and oxlint: `reprise/no-nondeterminism` reports clocks, randomness, timers, network and files in the sources of processors, whose
 * results have to be functions of the log. `reprise build` reports the same of what it bundles.
 * @example
 * // oxlint: .oxlintrc.json
 * // { "jsPlugins": ["reprise/eslint-plugin"], "overrides": [{ "files": ["processors/**"], "rules": { "reprise/no-nondeterminism": "error" } }] }
 */
const plugin = {
  meta: { name: "reprise" },
  rules: {
    "no-nondeterminism": {
      meta: { type: "problem" as const, docs: { description: "what a replay would give other results for" }, schema: [] },
      create,
    },
  },
};

export default plugin;
