import { compiledHelpers } from "./compiled-helpers.ts";

/** Collects the functions and constants of one compiled module. Names are quoted by JSON.stringify, never pasted. */
export class Code {
  readonly #functions: string[] = [];
  readonly #constants: unknown[] = [];

  /** Adds `function(parameters) { body }` and returns its name. */
  function(parameters: string, body: string): string {
    const name = `f${this.#functions.length}`;
    this.#functions.push(`function ${name}(${parameters}) {\n${body}\n}`);
    return name;
  }

  /** Makes a value reachable from the code and returns the expression for it. */
  constant(value: unknown): string {
    this.#constants.push(value);
    return `k[${this.#constants.length - 1}]`;
  }

  /** The function of `parameters` whose body is `body`; `h` are the helpers. */
  compile<F>(parameters: string, body: string): F {
    const source = `"use strict";\n${this.#functions.join("\n")}\nreturn function (${parameters}) {\n${body}\n};`;
    // oxlint-disable-next-line typescript/no-implied-eval, typescript/no-unsafe-call -- compiling is what this is for; all names in the source are quoted
    return new Function("h", "k", source)(compiledHelpers, this.#constants) as F;
  }
}

/** `"name"` as a property of an object literal or after a dot-less access. `__proto__` is refused at declaration. */
export const quoted = (name: string): string => JSON.stringify(name);

/** Reads a field; names that every object inherits (`toString`) count only when the object owns them. */
export function readField(object: string, name: string): string {
  const access = `${object}[${quoted(name)}]`;
  return name in Object.prototype ? `(Object.hasOwn(${object}, ${quoted(name)}) ? ${access} : undefined)` : access;
}
