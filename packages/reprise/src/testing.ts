export type { Emitted, SenderOf, TableSetter, TestDriver, TestOptions, Time, WindowsOf } from "@reprise/processor";
export { testProcessor } from "@reprise/testing";
