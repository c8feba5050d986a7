export type { Emitted, SenderOf, TableSetter, TestDriver, TestOptions, Time } from "@reprise/processor";
export { testProcessor } from "@reprise/testing";
