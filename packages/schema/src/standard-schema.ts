/**
 * The Standard Schema interface (https://standardschema.dev), version 1, as zod, valibot and arktype implement it.
 * `validate` is typed loosely so that every vendor's result is assignable; the runtime checks it.
 */
export interface StandardSchema<In, Out> {
  readonly "~standard": {
    readonly version: 1;
    readonly vendor: string;
    readonly validate: (value: unknown) => unknown;
    readonly types?: { readonly input: In; readonly output: Out } | undefined;
  };
}
