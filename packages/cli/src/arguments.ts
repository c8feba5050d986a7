import { existsSync, readFileSync } from "node:fs";
import { InvalidArgumentError } from "commander";

/** A whole number of at least `least`, for commander. */
export function wholeNumber(least: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (!/^\d+$/.test(text) || !Number.isSafeInteger(value) || value < least)
      throw new InvalidArgumentError(`It must be a whole number of at least ${least}.`);
    return value;
  };
}

/** JSON text, or the name of a file with it: an object. */
export function paramsArgument(text: string): { readonly [name: string]: unknown } {
  const json = text.trimStart().startsWith("{") || !existsSync(text) ? text : readFileSync(text, "utf8");
  let value: unknown;
  try {
    value = JSON.parse(json);
  } catch (error) {
    throw new InvalidArgumentError(`It is neither JSON nor a file with JSON: ${(error as Error).message}`);
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw new InvalidArgumentError("It must be a JSON object.");
  return value as { readonly [name: string]: unknown };
}

/** One of some words. */
export function oneOf<const W extends readonly string[]>(...words: W): (text: string) => W[number] {
  return (text) => {
    if (words.includes(text)) return text;
    throw new InvalidArgumentError(`It must be ${words.join(" or ")}.`);
  };
}

/** For options that may be given several times. */
export function collect(text: string, before: readonly string[] | undefined): readonly string[] {
  return [...(before ?? []), ...text.split(",")];
}
