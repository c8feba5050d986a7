// Packages of the operating system: installed where we may (root on a Debian-like system), named where we may not.
import { existsSync } from "node:fs";
import { has, run, SetUpError } from "./steps.mjs";

/** apt's own lock makes a second one fail. */
let last = Promise.resolve();

const mayInstall = () => process.getuid?.() === 0 && existsSync("/usr/bin/apt-get");

/**
 * @param {string} purpose why, for the message @param {string[][]} wanted each a choice of package names, the first that exists is taken
 * @param {string} otherwise what to install on other systems
 */
export async function installPackages(purpose, wanted, otherwise) {
  const debian = existsSync("/usr/bin/apt-get");
  if (!mayInstall()) {
    const names = wanted.map((choice) => choice[0]).join(" ");
    throw new SetUpError(`${purpose}. ${debian ? `Run: sudo apt-get install -y ${names}` : `Install: ${otherwise}.`}`);
  }
  const installing = last.then(async () => {
    const environment = { DEBIAN_FRONTEND: "noninteractive" };
    await run("apt-update", ["apt-get", "update"], { timeoutMs: 180_000, environment });
    const names = [];
    for (const choice of wanted) {
      const found = await firstExisting(choice);
      if (found === undefined) throw new SetUpError(`${purpose}. This system's package lists have none of: ${choice.join(", ")}.`);
      names.push(found);
    }
    await run("apt-install", ["apt-get", "install", "-y", "--no-install-recommends", ...names], { timeoutMs: 600_000, environment });
    return names.join(" ");
  });
  last = installing.catch(() => undefined);
  return await installing;
}

async function firstExisting(choice) {
  for (const name of choice) if (await has("apt-cache", ["show", name])) return name;
  return undefined;
}
