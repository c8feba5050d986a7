// Finds what a file imports, in plain Node: TypeScript 7 has no API for it, and tools that wanted the old one report nothing at all.

/** @typedef {{ specifier: string, line: number, typeOnly: boolean }} Import */

/**
 * Static and dynamic imports, re-exports and `require` calls, in order; `literals` are all strings of the file.
 * @param {string} source
 * @returns {{ imports: Import[], literals: Set<string> }}
 */
export function importsOf(source) {
  const tokens = tokenize(source);
  const imports = [];
  for (let at = 0; at < tokens.length; at += 1) {
    const token = tokens[at];
    if (token.kind !== "word" || tokens[at - 1]?.text === ".") continue;
    const found =
      token.text === "import"
        ? afterImport(tokens, at)
        : token.text === "export"
          ? afterExport(tokens, at)
          : token.text === "require"
            ? afterRequire(tokens, at)
            : undefined;
    if (found !== undefined) imports.push({ ...found, line: token.line });
  }
  const literals = new Set(tokens.filter(({ kind }) => kind === "string").map(({ text }) => text));
  return { imports: imports.concat(requires(tokens)), literals };
}

function afterImport(tokens, at) {
  const next = tokens[at + 1];
  if (next?.kind === "string") return { specifier: next.text, typeOnly: false };
  // import.meta
  if (next?.text === ".") return undefined;
  if (next?.text === "(") {
    // `import("x").Y` in a type can't be told from a dynamic import here; both count as values, which is the stricter.
    const argument = tokens[at + 2];
    return argument?.kind === "string" ? { specifier: argument.text, typeOnly: false } : undefined;
  }
  return clause(tokens, at + 1);
}

function afterExport(tokens, at) {
  const next = tokens[at + 1];
  const start = next?.text === "type" ? tokens[at + 2] : next;
  return start?.text === "{" || start?.text === "*" ? clause(tokens, at + 1) : undefined;
}

/** From behind `import` or `export` up to `from "x"`; type-only when the whole clause is, or each name in its braces. */
function clause(tokens, from) {
  const whole = tokens[from]?.text === "type" && tokens[from + 1]?.text !== "from" && tokens[from + 1]?.text !== ",";
  let names = 0;
  let types = 0;
  let outside = false;
  let depth = 0;
  for (let at = whole ? from + 1 : from; at < tokens.length && at < from + 4_000; at += 1) {
    const { text, kind } = tokens[at];
    if (kind === "string") return undefined;
    if (text === "from" && depth === 0 && tokens[at + 1]?.kind === "string") {
      return { specifier: tokens[at + 1].text, typeOnly: whole || (!outside && names > 0 && names === types) };
    }
    if (text === ";" || text === "=") return undefined;
    if (text === "{") depth += 1;
    else if (text === "}") depth -= 1;
    else if (depth === 0 && text !== ",") outside = true;
    else if (depth === 1 && (tokens[at - 1]?.text === "{" || tokens[at - 1]?.text === ",")) {
      names += 1;
      if (text === "type" && tokens[at + 1]?.kind === "word" && tokens[at + 1]?.text !== "as") types += 1;
    }
  }
  return undefined;
}

/** `require("x")` and `require.resolve("x")` */
function afterRequire(tokens, at) {
  const call = tokens[at + 1]?.text === "." && tokens[at + 2]?.text === "resolve" ? at + 3 : at + 1;
  if (tokens[call]?.text !== "(" || tokens[call + 1]?.kind !== "string") return undefined;
  return { specifier: tokens[call + 1].text, typeOnly: false };
}

/** `createRequire(...)("x")` */
function requires(tokens) {
  const found = [];
  for (let at = 0; at + 3 < tokens.length; at += 1) {
    if (tokens[at].text === ")" && tokens[at + 1].text === "(" && tokens[at + 2].kind === "string" && tokens[at + 3].text === ")") {
      if (tokens.slice(Math.max(0, at - 8), at).some(({ text }) => text === "createRequire")) {
        found.push({ specifier: tokens[at + 2].text, line: tokens[at].line, typeOnly: false });
      }
    }
  }
  return found;
}

const afterThisComesARegex = /^(?:[([{,;:=!&|?+\-*%~^<>]|return|typeof|case|in|of|=>)$/;

/** Words, strings and signs; comments, regular expressions and template texts are skipped (what stands in `${}` is read). */
function tokenize(source) {
  const tokens = [];
  const templates = [];
  let line = 1;
  let at = 0;
  const push = (kind, text) => tokens.push({ kind, text, line });
  const skipTo = (end) => {
    for (; at < end; at += 1) if (source[at] === "\n") line += 1;
  };
  const template = () => {
    // Behind the opening quote, or behind the brace that ends a substitution.
    let end = at;
    while (end < source.length && source[end] !== "`" && !(source[end] === "$" && source[end + 1] === "{"))
      end += source[end] === "\\" ? 2 : 1;
    if (source[end] === "$") templates.push(0);
    skipTo(end + (source[end] === "$" ? 2 : 1));
  };
  while (at < source.length) {
    const character = source[at];
    const two = source.slice(at, at + 2);
    if (two === "//") skipTo(indexOr(source.indexOf("\n", at), source.length));
    else if (two === "/*") skipTo(indexOr(source.indexOf("*/", at + 2), source.length - 2) + 2);
    else if (character === '"' || character === "'") {
      let end = at + 1;
      while (end < source.length && source[end] !== character) end += source[end] === "\\" ? 2 : 1;
      push("string", source.slice(at + 1, end));
      skipTo(end + 1);
    } else if (character === "`") {
      push("template", "`");
      skipTo(at + 1);
      template();
    } else if (character === "/" && (tokens.length === 0 || afterThisComesARegex.test(tokens.at(-1).text))) {
      skipTo(regexEnd(source, at));
      push("regex", "regex");
    } else if (/[\w$]/.test(character)) {
      const [word] = /^[\w$]+/.exec(source.slice(at, at + 200));
      push("word", word);
      skipTo(at + word.length);
    } else {
      if (character === "{" && templates.length > 0) templates.push(templates.pop() + 1);
      if (character === "}" && templates.at(-1) === 0) {
        templates.pop();
        skipTo(at + 1);
        template();
        continue;
      }
      if (character === "}" && templates.length > 0) templates.push(templates.pop() - 1);
      if (!/\s/.test(character)) push("sign", character);
      skipTo(at + 1);
    }
  }
  return tokens;
}

function regexEnd(source, start) {
  let inClass = false;
  for (let at = start + 1; at < source.length && source[at] !== "\n"; at += 1) {
    if (source[at] === "\\") at += 1;
    else if (source[at] === "[") inClass = true;
    else if (source[at] === "]") inClass = false;
    else if (source[at] === "/" && !inClass) return at + 1;
  }
  // No regular expression after all, but a division.
  return start + 1;
}

const indexOr = (index, otherwise) => (index < 0 ? otherwise : index);
