import { RepriseError } from "@reprise/schema";

const namePattern = /^[a-z0-9][a-z0-9._-]{0,62}$/;
const aliasPattern = /^[A-Za-z][A-Za-z0-9_]{0,62}$/;
const topicPattern = /^[A-Za-z0-9._-]{1,249}$/;
/** `then` would make a client or test driver look like a promise. */
const reservedAliases = new Set(["then", "constructor", "prototype"]);

function refuse(what: string, name: unknown, allowed: string): never {
  throw new RepriseError("INVALID_NAME", `${what}: ${JSON.stringify(name) ?? String(name)} is not allowed; expected ${allowed}`, {
    details: { what, name: String(name) },
  });
}

/** Names that reach file systems, groups and URLs: of processors, keys, effects. @throws RepriseError INVALID_NAME */
export function checkName(name: unknown, what: string): asserts name is string {
  if (typeof name !== "string" || !namePattern.test(name))
    refuse(what, name, "1 to 63 of a-z, 0-9, '.', '_' and '-', beginning with a letter or digit");
}

/** Names under which handlers reach things: of inputs, states, windows. @throws RepriseError INVALID_NAME */
export function checkAlias(name: string, what: string): void {
  if (!aliasPattern.test(name)) refuse(what, name, "1 to 63 letters, digits and '_', beginning with a letter");
  if (reservedAliases.has(name)) refuse(what, name, "a name that JavaScript does not use itself");
}

/** What Kafka allows. @throws RepriseError INVALID_NAME */
export function checkTopicName(name: unknown, what: string): asserts name is string {
  if (typeof name !== "string" || !topicPattern.test(name) || name === "." || name === "..")
    refuse(what, name, "1 to 249 letters, digits, '.', '_' and '-'");
}

/** Producers choose these; only what can't be told apart or is no property like others is refused. @throws RepriseError INVALID_NAME */
export function checkEventType(type: string, what: string): void {
  if (type.length === 0 || type.length > 200 || type.trim() !== type || type === "__proto__")
    refuse(`${what}: type`, type, "1 to 200 characters without spaces around them");
}
