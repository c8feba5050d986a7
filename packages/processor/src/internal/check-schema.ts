import { describeSchema, RepriseError, type Schema } from "@reprise/schema";

/** Compiles the schema, so that a wrong one is refused where it is declared. @throws RepriseError SCHEMA_INVALID naming the owner */
export function checkSchema<T>(schema: Schema<T>, what: string): void {
  try {
    describeSchema(schema);
  } catch (cause) {
    if (!RepriseError.is(cause)) throw cause;
    throw new RepriseError(cause.code, `${what}: ${cause.message}`, { details: { ...cause.details, what }, cause });
  }
}
