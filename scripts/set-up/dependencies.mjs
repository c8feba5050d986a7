// npm's packages, as the lock file says, with the native Kafka client built for this Node.
import { createHash } from "node:crypto";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { addonExists, addonLoads, prepareKafkaClient } from "./kafka-client.mjs";
import { root, run, SetUpError, step } from "./steps.mjs";

const stampFile = join(root, "node_modules", ".reprise-setup");
const npmTimeoutMs = 20 * 60_000;

/** The same packages, built for another Node or never built: only the addon is missing. */
const rebuild = ["npm", "rebuild", "@confluentinc/kafka-javascript"];
const cleanInstall = ["npm", "ci", "--no-audit", "--no-fund"];
/** Takes the lock's versions, too, but neither refuses an incomplete lock nor completes it. */
const installBesideLock = ["npm", "install", "--no-save", "--no-audit", "--no-fund"];

/**
 * Whether the lock names every optional package of other platforms (compilers, formatters). One that was written with a registry
 * that does not carry them all leaves them out, and `npm ci` then refuses all of it.
 */
function lockIsComplete() {
  const { packages } = JSON.parse(readFileSync(join(root, "package-lock.json"), "utf8"));
  return Object.entries(packages).every(([path, { optionalDependencies = {} }]) =>
    Object.keys(optionalDependencies).every(
      (name) => packages[`${path}/node_modules/${name}`] !== undefined || packages[`node_modules/${name}`] !== undefined,
    ),
  );
}

/** What must be the same for what is installed to be right: the lock, and the Node that native code was built for. */
function wantedStamp() {
  const lock = createHash("sha256")
    .update(readFileSync(join(root, "package-lock.json")))
    .digest("hex");
  return JSON.stringify({ lock, node: process.versions.modules, platform: process.platform, arch: process.arch });
}

export function dependenciesReady() {
  return existsSync(stampFile) && readFileSync(stampFile, "utf8") === wantedStamp() && addonExists();
}

/** Whether somebody else's `npm install` left exactly the lock's versions: then there is nothing to install again. */
function installedMatchesLock() {
  const hidden = join(root, "node_modules", ".package-lock.json");
  if (!existsSync(hidden)) return false;
  const installed = JSON.parse(readFileSync(hidden, "utf8")).packages;
  const wanted = JSON.parse(readFileSync(join(root, "package-lock.json"), "utf8")).packages;
  const own = (packages) => Object.keys(packages).filter((path) => path.startsWith("node_modules/"));
  return (
    own(wanted).every((path) => {
      const here = installed[path];
      // Optional ones are of other platforms, mostly.
      if (here === undefined) return wanted[path].optional === true || wanted[path].devOptional === true;
      return here.version === wanted[path].version && existsSync(join(root, path));
    }) && own(installed).every((path) => wanted[path] !== undefined)
  );
}

export async function installDependencies(context) {
  const matches = installedMatchesLock();
  if (matches && (await addonLoads())) {
    writeFileSync(stampFile, wantedStamp());
    return "as the lock file says";
  }
  let environment = {};
  await step(context, "look for the Kafka client's binary", async () => {
    const prepared = await prepareKafkaClient();
    environment = prepared.environment;
    return prepared.note;
  });
  const command = matches ? rebuild : lockIsComplete() ? cleanInstall : installBesideLock;
  await run("npm", command, { timeoutMs: npmTimeoutMs, environment });
  if (!(await addonLoads())) {
    throw new SetUpError(
      `npm finished, but the Kafka client's addon can't be loaded. Is its install script allowed? See 'npm install-scripts ls', and ${join(root, ".reprise", "set-up", "npm.log")}.`,
    );
  }
  writeFileSync(stampFile, wantedStamp());
  const note = command === installBesideLock ? " (the lock file does not name all platforms' packages, so 'npm ci' would refuse it)" : "";
  return `${command.slice(0, 2).join(" ")}${note}`;
}
