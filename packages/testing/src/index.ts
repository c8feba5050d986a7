export { testProcessor } from "./test-processor.ts";
