import type { StateTarget } from "@reprise/engine";
import { InvalidArgumentError } from "commander";

/** Whose state, and which one of it; no target: what its workers have now. */
export interface StateReference {
  readonly text: string;
  readonly deployment: string;
  readonly target: StateTarget | undefined;
}

export const referenceHelp =
  "<deployment> (live), <deployment>@checkpoint, <deployment>@checkpoint:<n>, <deployment>@commit:<n> or <deployment>@<topic>:<offset>";

/** For commander. */
export function stateReference(text: string): StateReference {
  const at = text.indexOf("@");
  const deployment = at < 0 ? text : text.slice(0, at);
  if (deployment === "") throw new InvalidArgumentError(`It must be ${referenceHelp}.`);
  return { text, deployment, target: at < 0 ? undefined : targetOf(text.slice(at + 1)) };
}

function targetOf(text: string): StateTarget {
  if (text === "checkpoint") return { kind: "checkpoint" };
  const colon = text.lastIndexOf(":");
  const [name, number] = [text.slice(0, Math.max(0, colon)), text.slice(colon + 1)];
  const value = Number(number);
  if (name === "" || !/^\d+$/.test(number) || !Number.isSafeInteger(value)) throw new InvalidArgumentError(`It must be ${referenceHelp}.`);
  if (name === "checkpoint") return { kind: "checkpoint", n: value };
  if (name === "commit") return { kind: "commit", n: value };
  return { kind: "position", topic: name, offset: value };
}
