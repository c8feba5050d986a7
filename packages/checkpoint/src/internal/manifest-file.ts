import { createHash } from "node:crypto";
import type { CheckpointManifest } from "@reprise/engine";

/** The manifest with a hash of its own: `meta` decides what a task does next, and a flipped bit in it must not. */
interface ManifestFile {
  readonly manifest: CheckpointManifest;
  readonly check: string;
}

export function encodeManifest(manifest: CheckpointManifest): string {
  const file: ManifestFile = { manifest, check: hashOf(manifest) };
  return `${JSON.stringify(file)}\n`;
}

/** Undefined when it is not whole, not of this format, or not what was written. */
export function decodeManifest(text: string): CheckpointManifest | undefined {
  try {
    const { manifest, check } = JSON.parse(text) as Partial<ManifestFile>;
    if (manifest === undefined || manifest.format !== 1 || check !== hashOf(manifest)) return undefined;
    return manifest;
  } catch {
    return undefined;
  }
}

function hashOf(manifest: CheckpointManifest): string {
  return createHash("sha256").update(JSON.stringify(manifest)).digest("hex");
}
