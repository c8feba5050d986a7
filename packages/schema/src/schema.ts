/** Carries the type of a schema's values; exists for the compiler only. */
export declare const schemaType: unique symbol;

/**
 * A shape with a wire format, a fingerprint and a compatibility rule. Invariant in T: reading and writing agree.
 * Immutable; `optional` and `default` return new schemas.
 */
export interface Schema<T> {
  readonly [schemaType]: (value: T) => T;
  /** Avro's union [null, T]. As a field, a missing or null value reads as null. Drops a default set before. */
  optional(): Schema<T | null>;
  /**
   * The value of a record's field that is missing: in JSON, in old Avro data, and in a value to write. Has no effect elsewhere.
   * @throws RepriseError SCHEMA_INVALID when it does not fit
   */
  default(value: T): Schema<T>;
}

/** The type of a schema's values. */
export type TypeOf<S> = S extends { readonly [schemaType]: (value: infer T) => unknown } ? T : never;

// oxlint-disable-next-line typescript/no-explicit-any -- Schema is invariant, so no other constraint admits every schema
export type Fields = { readonly [field: string]: Schema<any> };

export type Simplify<T> = { [K in keyof T]: T[K] } & {};

/** The value type of `s.record(name, fields)`. */
export type RecordOf<F extends Fields> = Simplify<{ readonly [N in keyof F]: TypeOf<F[N]> }>;
