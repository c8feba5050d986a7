import { RepriseError } from "@reprise/schema";

/** The bindings read 32 bits of some of them, and take the rest off without a word. @throws RepriseError INVALID_ARGUMENT */
export function checkByteSizes(settings: { readonly [name: string]: number }): void {
  for (const [name, value] of Object.entries(settings)) {
    if (Number.isSafeInteger(value) && value > 0 && value < 2 ** 31) continue;
    throw new RepriseError("INVALID_ARGUMENT", `${name} is ${value}; it has to be an integer from 1 to 2^31 - 1.`, {
      details: { [name]: value },
    });
  }
}
